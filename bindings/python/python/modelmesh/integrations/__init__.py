"""Secrets from ModelMesh stores in libraries that applications already use.

Each module needs the library that it is for, and the package's extra of the same name installs it. Importing
`modelmesh` imports none of them.

- `modelmesh.integrations.pydantic_settings`: fields of a settings class (`modelmesh[pydantic-settings]`)
- `modelmesh.integrations.litellm`: LiteLLM's secret manager (`modelmesh[litellm]`)
"""
