//! The resolver of a configuration file, under `modelmesh.SecretResolver`.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use modelmesh_secrets::{
    AuthFailure, ExposeSecret as _, Result, SecretString, SecretValue, Version,
    config::StoreEntry,
    live::{Reason, SecretResolver},
    reference::Reference,
    setting::ConnectorSpec,
};
use modelmesh_stores::{
    configuration,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use pyo3::{IntoPyObjectExt as _, prelude::*, types::PyList};
use tokio::sync::OnceCell;

use crate::{
    answer, blocking,
    errors::to_exception,
    failure::Failure,
    generation::Generation,
    host::{HostClasses, specifications},
    opening::context,
    process::PerProcess,
    runtime, values,
    watch::Watch,
};

/// The live configuration, started once in each process.
///
/// Each call has a flag `wait`: the answer is waited for here, or is a future of the running loop.
#[pyclass(frozen, module = "modelmesh._native", name = "_Resolver")]
pub(crate) struct Resolver(Arc<Source>);

/// What a resolver is started from.
pub(crate) struct Source {
    /// As it was given, and where that led to then.
    path: (PathBuf, PathBuf),
    specs: Vec<ConnectorSpec>,
    context: OpenContext,
    started: PerProcess<Arc<OnceCell<SecretResolver>>>,
    /// Whether one of the stores is behind a network, as far as the file has been read.
    is_network: AtomicBool,
}

impl Source {
    pub(crate) async fn resolver(&self) -> Result<SecretResolver, Failure> {
        let cell = self.started.get_or_open(|_| Ok::<_, Failure>(Arc::default()))?;
        cell.get_or_try_init(|| self.start()).await.cloned()
    }

    /// As messages are to call it: as it was given, unless this is a forked child that is in another folder.
    fn path(&self) -> &Path {
        let (given, absolute) = &self.path;
        if std::path::absolute(given).is_ok_and(|path| path == *absolute) { given } else { absolute }
    }

    async fn start(&self) -> Result<SecretResolver, Failure> {
        // Reading a file is quick, and nothing else runs before it.
        let configuration = configuration::read(self.path(), &self.specs)?;
        // Everything that is wrong in it, and not only what keeps its stores from being opened.
        configuration.require_valid()?;
        let is_network = configuration.stores().filter_map(StoreEntry::connector).any(|spec| spec.network);
        self.is_network.store(is_network, Ordering::Relaxed);
        let stores = StoreSet::new(Arc::new(configuration), self.context.clone())?;
        Ok(stores.live_configuration().start().await?)
    }
}

#[pymethods]
impl Resolver {
    /// `classes` are IDs of connectors, of which `make` makes stores.
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "arguments of Python are made for the call")]
    fn new(path: PathBuf, classes: Vec<String>, make: Py<PyAny>) -> Self {
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let specs = specifications(&classes).into_iter().chain(catalogue()).collect();
        let context = OpenContext { host: Some(Arc::new(HostClasses::new(make))), ..context() };
        Resolver(Arc::new(Source {
            path: (path, absolute),
            specs,
            context,
            started: PerProcess::new(),
            is_network: AtomicBool::new(false),
        }))
    }

    /// Resolves every reference of the file, and activates every provider.
    fn start(&self, py: Python<'_>, wait: bool) -> PyResult<Py<PyAny>> {
        self.run(py, wait, |_| async { Ok(()) }, |py, ()| Ok(py.None()))
    }

    /// The texts with values in place of references, in the same order.
    fn resolve_texts(&self, py: Python<'_>, texts: &Bound<'_, PyAny>, wait: bool) -> PyResult<Py<PyAny>> {
        let texts = texts.try_iter()?.map(|text| values::confidential(&text?, "what is resolved"));
        let texts = texts.collect::<PyResult<Vec<_>>>()?;
        let work = |resolver: SecretResolver| async move {
            let texts: Vec<&str> = texts.iter().map(SecretValue::expose).collect();
            resolver.resolve_texts(&texts).await.map_err(Failure::References)
        };
        self.run(py, wait, work, |py, texts| {
            let texts = texts.iter().map(SecretString::expose_secret);
            PyList::new(py, texts)?.into_py_any(py)
        })
    }

    /// The value of a reference, as a `SecretValue`.
    fn get(&self, py: Python<'_>, reference: &str, wait: bool) -> PyResult<Py<PyAny>> {
        let reference = parse(py, reference)?;
        let work = |resolver: SecretResolver| async move { Ok(resolver.get(&reference).await?) };
        self.run(py, wait, work, |py, value| values::to_python(py, &value))
    }

    fn invalidate(&self, py: Python<'_>, reference: &str, wait: bool) -> PyResult<Py<PyAny>> {
        let reference = parse(py, reference)?;
        let work = |resolver: SecretResolver| async move { Ok(resolver.invalidate(&reference).await?) };
        self.run(py, wait, work, |py, ()| Ok(py.None()))
    }

    fn activate(&self, py: Python<'_>, provider: String, reason: &str, wait: bool) -> PyResult<Py<PyAny>> {
        let reason: Reason = reason.parse().map_err(|wrong| to_exception(py, &wrong))?;
        let work = move |resolver: SecretResolver| async move {
            let activated = resolver.activate(&provider, reason).await;
            activated.map_err(|failed| Failure::Activations(vec![failed]))
        };
        self.run(py, wait, work, |py, generation| Generation::new(generation).into_py_any(py))
    }

    /// Activates every provider; a list of generations.
    fn reload(&self, py: Python<'_>, wait: bool) -> PyResult<Py<PyAny>> {
        let work = |resolver: SecretResolver| async move {
            let (activated, failed): (Vec<_>, Vec<_>) =
                resolver.reload().await.into_iter().partition(Result::is_ok);
            if failed.is_empty() {
                return Ok(activated.into_iter().filter_map(Result::ok).collect::<Vec<_>>());
            }
            Err(Failure::Activations(failed.into_iter().filter_map(Result::err).collect()))
        };
        self.run(py, wait, work, |py, generations| {
            generations.into_iter().map(Generation::new).collect::<Vec<_>>().into_py_any(py)
        })
    }

    /// What came of it, as a word, and what to try once more with or what went wrong.
    fn report_auth_failure(
        &self,
        py: Python<'_>,
        reference: &str,
        version: &str,
        wait: bool,
    ) -> PyResult<Py<PyAny>> {
        let (reference, version) = (parse(py, reference)?, Version::from(version));
        let work = |resolver: SecretResolver| async move {
            Ok(resolver.report_auth_failure(&reference, &version).await)
        };
        self.run(py, wait, work, |py, outcome| match outcome {
            AuthFailure::Rotated(value) => ("rotated", values::to_python(py, &value)?).into_py_any(py),
            AuthFailure::FellBack(value) => ("fell_back", values::to_python(py, &value)?).into_py_any(py),
            AuthFailure::Unchanged => ("unchanged", py.None()).into_py_any(py),
            AuthFailure::Unavailable(error) => {
                ("unavailable", to_exception(py, &error).into_value(py)).into_py_any(py)
            }
        })
    }

    fn watch(&self, py: Python<'_>, reference: &str, wait: bool) -> PyResult<Py<PyAny>> {
        let reference = parse(py, reference)?;
        let (source, watched) = (Arc::clone(&self.0), reference.clone());
        let work = |resolver: SecretResolver| async move { Ok(resolver.watch(&watched).await?) };
        self.run(py, wait, work, |py, watch| Watch::new(source, reference, watch).into_py_any(py))
    }

    /// The generation that a provider has now.
    fn current(&self, py: Python<'_>, provider: String, wait: bool) -> PyResult<Py<PyAny>> {
        let work =
            move |resolver: SecretResolver| async move { Ok(resolver.known_provider(&provider)?.current()?) };
        self.run(py, wait, work, |py, generation| Generation::new(generation).into_py_any(py))
    }

    /// The IDs of all providers, in the order of the file.
    fn providers(&self, py: Python<'_>, wait: bool) -> PyResult<Py<PyAny>> {
        let work = |resolver: SecretResolver| async move {
            Ok(resolver.providers().map(|provider| provider.id().to_owned()).collect::<Vec<_>>())
        };
        self.run(py, wait, work, |py, providers| providers.into_py_any(py))
    }
}

impl Resolver {
    fn run<W, T>(
        &self,
        py: Python<'_>,
        wait: bool,
        work: impl FnOnce(SecretResolver) -> W + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        W: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Send + 'static,
    {
        let source = Arc::clone(&self.0);
        let work = async move { work(source.resolver().await?).await };
        let finish = |py: Python<'_>, outcome: Result<T, Failure>| match outcome {
            Ok(outcome) => finish(py, outcome),
            Err(failure) => Err(failure.to_exception(py)),
        };
        if !wait {
            return answer::begin(py, work, finish);
        }
        // The caller is behind the package's own method.
        let warn = || if self.0.is_network.load(Ordering::Relaxed) { blocking::warn(py, 2) } else { Ok(()) };
        finish(py, runtime::wait_after(py, work, warn)?)
    }
}

fn parse(py: Python<'_>, reference: &str) -> PyResult<Reference> {
    Reference::parse_or_name(reference).map_err(|error| to_exception(py, &error))
}
