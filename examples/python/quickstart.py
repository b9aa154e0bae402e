"""Quick start: secrets by name, from wherever the configuration says that they are.

OPENAI_KEY=sk-123 python quickstart.py
"""

from pathlib import Path

from modelmesh import SecretResolver

resolver = SecretResolver.from_config(Path(__file__).with_name("modelmesh.yaml"))

# One secret.
key = resolver.resolve("${secrets:openai-key}")
print(f"a key of {len(key)} characters")

# All of a mapping's secrets at once. The mapping itself keeps its references.
template = {"headers": {"Authorization": "Bearer ${secrets:openai-key}"}, "retries": 3}
settings = resolver.resolve_all(template)
print(f"a header of {len(settings['headers']['Authorization'])} characters, {settings['retries']} retries")
