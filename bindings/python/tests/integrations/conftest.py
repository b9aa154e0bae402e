"""Nothing here uses the network. LiteLLM would fetch a list of prices when it is imported."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
