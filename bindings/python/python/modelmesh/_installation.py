"""What is installed under the name ``modelmesh``, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

#: What the modules of ModelMesh Lite export and those of this package do not have.
ROUTER_NAMES: Mapping[str, frozenset[str]] = {
    "modelmesh": frozenset({"MeshClient", "MeshConfig", "ModelMesh", "create"}),
    "modelmesh.cdk": frozenset(
        """
        BaseDeactivationPolicy BaseDiscovery BaseDiscoveryConfig BaseObservability
        BaseObservabilityConfig BaseProvider BaseProviderConfig BaseRecoveryPolicy
        BaseRotationConfig BaseRotationPolicy BaseRotationPolicyConfig BaseSelectionStrategy
        BaseStorage BaseStorageConfig CacheMixin CacheStats ConsoleObservability
        ConsoleObservabilityConfig FileObservability FileObservabilityConfig HttpApiProvider
        HttpApiProviderConfig HttpClientMixin HttpHealthDiscovery HttpHealthDiscoveryConfig
        KeyValueStorage KeyValueStorageConfig MetricSnapshot MetricsMixin OpenAICompatibleConfig
        OpenAICompatibleProvider QuickProvider QuickProviderConfig RateLimiterMixin RetryMixin
        ThresholdRotationConfig ThresholdRotationPolicy
        """.split()
    ),
    "modelmesh.cdk.specialized": frozenset(
        """
        ConsoleObservability ConsoleObservabilityConfig FileObservability FileObservabilityConfig
        HttpApiProvider HttpApiProviderConfig HttpHealthDiscovery HttpHealthDiscoveryConfig
        KeyValueStorage KeyValueStorageConfig OpenAICompatibleConfig OpenAICompatibleProvider
        QuickProvider QuickProviderConfig ThresholdRotationConfig ThresholdRotationPolicy
        """.split()
    ),
    "modelmesh.connectors": frozenset(
        """
        AnthropicProvider AssemblyAIProvider AzureSpeechProvider CallbackConnector CohereProvider
        ConsoleObservabilityConnector DeepSeekProvider ElevenLabsProvider FileObservabilityConnector
        FirecrawlProvider GeminiProvider GroqProvider JinaProvider JsonLogConnector LMStudioProvider
        LocalAIProvider LocalFileStorage MemoryStorage MistralProvider NullObservabilityConnector
        OllamaProvider OpenAIProvider OpenRouterProvider PerplexityProvider SerperProvider
        SqliteStorage StickUntilFailurePolicy TavilyProvider TogetherProvider VLLMProvider
        WebhookConnector XAIProvider
        """.split()
    ),
    "modelmesh.interfaces": frozenset(
        """
        AggregateStats ChatMessage CompletionChoice CompletionRequest CompletionResponse
        DeactivationPolicy DeactivationReason DeprecationAction DiscoveryConnector EntryMetadata
        ErrorClassification EventType Events HealthMonitoring HealthReport Inventory LockHandle
        Locking LogLevel Logging ModelInfo ModelPricing ModelState ModelStatus
        ObservabilityConnector Persistence ProbeResult ProviderConnector QuotaStatus RateLimitStatus
        RecoveryPolicy RecoveryTrigger RegistrySync RequestLogEntry RoutingEvent SelectionStrategy
        SerializationFormat Severity StatQuery Statistics StorageConnector StorageEntry SyncAction
        SyncPolicy SyncResult SyncStatus TokenUsage TraceEntry Tracing
        """.split()
    ),
}

#: The modules of ModelMesh Lite that are of its router, and what is below them.
ROUTER_MODULES = frozenset(
    """
    client config core proxy cdk.base_discovery cdk.base_observability cdk.base_provider
    cdk.base_rotation cdk.base_storage cdk.enums cdk.helpers cdk.mixins cdk.quick_provider
    cdk.specialized.console_observability cdk.specialized.file_observability
    cdk.specialized.http_api_provider cdk.specialized.http_health_discovery
    cdk.specialized.kv_storage cdk.specialized.openai_compatible cdk.specialized.quick_provider
    cdk.specialized.threshold_rotation connectors.discovery connectors.observability
    connectors.providers connectors.rotation connectors.storage interfaces.discovery
    interfaces.observability interfaces.provider interfaces.rotation interfaces.rotation_policy
    interfaces.storage
    """.split()
)

#: Files that only ModelMesh Lite brings.
_FOREIGN_FILES = ("_sync.py", "core/mesh.py", "client/mesh_client.py")


def without_router(what: str) -> str:
    """Why ``what`` is not here."""
    return (
        f"{what} is of the router of ModelMesh Lite, and this package, 'modelmesh', has its secret stores alone. "
        "Where the router is needed, use the package 'modelmesh-lite' in an environment of its own."
    )


def missing(module: str, name: str) -> NoReturn:
    """What ``__getattr__`` of one of this package's modules comes to."""
    if name in ROUTER_NAMES[module]:
        raise ImportError(without_router(f"{module}.{name}"), name=module)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def _require_unmixed() -> None:
    here = Path(__file__).parent
    found = [name for name in _FOREIGN_FILES if (here / name).exists()]
    if found:
        raise ImportError(
            f"the packages 'modelmesh' and 'modelmesh-lite' are both installed in {here}, and each has overwritten "
            f"files of the other (found: {', '.join(found)}). Remove both and install one: "
            "pip uninstall modelmesh modelmesh-lite; pip install modelmesh"
        )


_require_unmixed()


class RouterFinder(MetaPathFinder):
    """Says of the router's modules why they are not here, where the import would find nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, *below = fullname.split(".")
        ways = (".".join(below[: depth + 1]) for depth in range(len(below)))
        if package == "modelmesh" and not ROUTER_MODULES.isdisjoint(ways):
            return ModuleSpec(fullname, _NoRouter())
        return None


class _NoRouter(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        raise ImportError(without_router(spec.name), name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        raise NotImplementedError
