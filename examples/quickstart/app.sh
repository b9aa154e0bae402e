#!/bin/sh
# Says which keys this program was given: by name and length, never by value.
missing=0
for name in OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY; do
    eval "value=\${$name-}"
    if [ -n "$value" ]; then
        printf '%-18s %d characters\n' "$name" "${#value}"
    else
        printf '%-18s missing\n' "$name"
        missing=1
    fi
done
exit "$missing"
