//! Where the cluster is, and who we are there: as `kubectl` finds it, or as a pod is told.
//!
//! The files are read with the types of `kube`. Which context counts is decided here, for the library would take a
//! proxy from the process's own environment.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, ExecInteractiveMode, Kubeconfig, KubeconfigError};
use modelmesh_secrets::{Error, ErrorKind, Result, setting::Settings};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::invalid;
use crate::{connector::OpenContext, network::parse_certificates};

/// Where a pod finds its service account.
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api>
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Environment variables that `kubectl` and pods know.
mod variable {
    pub(super) const KUBECONFIG: &str = "KUBECONFIG";
    pub(super) const HOST: &str = "KUBERNETES_SERVICE_HOST";
    pub(super) const PORT: &str = "KUBERNETES_SERVICE_PORT";
}

/// A cluster, and a user of it.
pub(super) struct Access {
    pub(super) server: String,
    /// Trusted besides those of the system.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) namespace: String,
    pub(super) user: AuthInfo,
}

impl Access {
    /// Reads files. Fails with `Io` if one cannot be read, and with `InvalidConfig` if it tells no way to a cluster.
    pub(super) fn find(settings: &Settings, context: &OpenContext) -> Result<Access> {
        let chosen = settings.text("context").filter(|text| !text.is_empty());
        if let Some(folder) = settings.path("service_account") {
            return of_pod(context, folder);
        }
        if let Some(file) = settings.path("kubeconfig") {
            let access = of_kubeconfig(read(&[file.to_owned()])?, chosen)?;
            // Whoever can change the project's file would decide what runs on the machine of who uses it.
            if access.user.exec.is_some() || access.user.auth_provider.is_some() {
                return Err(invalid(
                    "the kubeconfig that 'kubeconfig' names wants to run a program to log in",
                )
                .with_help("name it in the variable KUBECONFIG, if you trust it to run programs"));
            }
            return Ok(access);
        }
        let named = context.environment.var(variable::KUBECONFIG).filter(|files| !files.is_empty());
        let candidates = match &named {
            Some(files) => std::env::split_paths(files).filter(|path| !path.as_os_str().is_empty()).collect(),
            None => home(context).map(|home| home.join(".kube/config")).into_iter().collect::<Vec<_>>(),
        };
        // As kubectl does: of several files, those that are not there are passed over.
        let files: Vec<PathBuf> = candidates.into_iter().filter(|file| file.exists()).collect();
        match (files.is_empty(), named) {
            (false, _) => of_kubeconfig(read(&files)?, chosen),
            (true, Some(_)) => Err(invalid("none of the files that KUBECONFIG names is there")
                .with_help("correct KUBECONFIG, or unset it")),
            // A pod is in one cluster, which may not be the one that was meant.
            (true, None) if chosen.is_some() => {
                Err(invalid("there is no kubeconfig in which the 'context' could be")
                    .with_help("set 'kubeconfig' or KUBECONFIG"))
            }
            (true, None) => of_pod(context, Path::new(SERVICE_ACCOUNT)),
        }
    }
}

/// The service account of the pod we run in.
fn of_pod(context: &OpenContext, folder: &Path) -> Result<Access> {
    let variable = |name| context.environment.var(name).and_then(|value| value.into_string().ok());
    let (Some(host), Some(port)) = (variable(variable::HOST), variable(variable::PORT)) else {
        return Err(invalid("there is no kubeconfig, and this is no pod of a cluster")
            .with_help("set 'kubeconfig' or KUBECONFIG, or make ~/.kube/config with your cluster's tool"));
    };
    let file = |name| {
        let path = folder.join(name);
        fs::read(&path).map_err(|error| {
            unreadable("the pod's service account", &path, &error)
                .with_help("'automountServiceAccountToken: false' leaves a pod without one")
        })
    };
    let authorities = parse_certificates(&file("ca.crt")?);
    let authorities =
        authorities.ok_or_else(|| invalid("the 'ca.crt' of the service account holds no certificates"))?;
    let namespace = String::from_utf8_lossy(&file("namespace")?).trim().to_owned();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let token_file = Some(folder.join("token").to_string_lossy().into_owned());
    let user = AuthInfo { token_file, ..AuthInfo::default() };
    Ok(Access { server: format!("https://{host}:{port}"), authorities, namespace, user })
}

/// The files, merged as kubectl merges them. What the library says is not shown: it quotes what it cannot read.
fn read(files: &[PathBuf]) -> Result<Kubeconfig> {
    let mut merged = Kubeconfig::default();
    for file in files {
        let read = Kubeconfig::read_from(file).map_err(|error| match error {
            KubeconfigError::ReadConfig(cause, _) => unreadable("the kubeconfig", file, &cause),
            _ => invalid(format!("this is no kubeconfig: {}", file.display()))
                .with_help("'kubectl config view --kubeconfig' with this file tells more"),
        })?;
        merged = merged.merge(read).map_err(|_| {
            invalid(format!("the kubeconfig is of another kind than those before it: {}", file.display()))
        })?;
    }
    Ok(merged)
}

/// What the context `chosen`, or else the current one, says.
fn of_kubeconfig(kubeconfig: Kubeconfig, chosen: Option<&str>) -> Result<Access> {
    let current = kubeconfig.current_context.filter(|name| !name.is_empty());
    let name = chosen
        .map(str::to_owned)
        .or(current)
        .ok_or_else(|| invalid("the kubeconfig has no current context").with_help("name one in 'context'"))?;
    let context = kubeconfig.contexts.into_iter().find(|named| named.name == name);
    let context = context.and_then(|named| named.context).ok_or_else(|| {
        invalid(format!("the kubeconfig has no context '{name}'"))
            .with_help("'kubectl config get-contexts' lists those it has")
    })?;
    let cluster = kubeconfig.clusters.into_iter().find(|named| named.name == context.cluster);
    let cluster = cluster.and_then(|named| named.cluster).ok_or_else(|| {
        invalid(format!("the kubeconfig has no cluster '{}', which its context names", context.cluster))
    })?;
    // As in kubectl, who is not there is nobody: the cluster says what that one may do.
    let mut users = kubeconfig.auth_infos.into_iter();
    let user = users.find(|named| Some(&named.name) == context.user.as_ref());
    let mut user = user.and_then(|named| named.auth_info).unwrap_or_default();
    prepare_helper(&mut user, &cluster)?;
    Ok(Access {
        authorities: authorities(&cluster)?,
        server: server(cluster)?,
        namespace: context.namespace.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".into()),
        user,
    })
}

fn server(cluster: Cluster) -> Result<String> {
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(invalid("the kubeconfig accepts any certificate ('insecure-skip-tls-verify')")
            .with_help(
                "name the cluster's authority: in 'certificate-authority', or in the setting 'ca_cert'",
            ));
    }
    if cluster.proxy_url.is_some_and(|url| !url.is_empty()) {
        return Err(invalid("the kubeconfig has a 'proxy-url', which is not supported")
            .with_help("HTTPS_PROXY names a proxy for this store"));
    }
    if cluster.tls_server_name.is_some_and(|name| !name.is_empty()) {
        return Err(invalid("the kubeconfig has a 'tls-server-name', which is not supported")
            .with_help("use an address that is in the certificate of the cluster"));
    }
    cluster.server.ok_or_else(|| invalid("the cluster of the kubeconfig has no 'server'"))
}

fn authorities(cluster: &Cluster) -> Result<Vec<CertificateDer<'static>>> {
    let (data, file) =
        (cluster.certificate_authority_data.as_deref(), cluster.certificate_authority.as_deref());
    let Some(pem) = data_or_file(data, file)? else {
        return Ok(Vec::new());
    };
    parse_certificates(&pem)
        .ok_or_else(|| invalid("the cluster's authority in the kubeconfig is no certificate"))
}

/// Tells a helper program of the cluster, if it wants to know, and that there is nobody to answer questions.
fn prepare_helper(user: &mut AuthInfo, cluster: &Cluster) -> Result<()> {
    let Some(helper) = &mut user.exec else { return Ok(()) };
    if helper.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(invalid("the helper program of the kubeconfig wants to ask a person")
            .with_help("use a helper that needs nobody, or the token of a service account"));
    }
    helper.interactive_mode = Some(ExecInteractiveMode::Never);
    if helper.provide_cluster_info {
        let told = ExecAuthCluster::try_from(cluster);
        helper.cluster = Some(told.map_err(|_| invalid("the cluster's authority cannot be read"))?);
    }
    Ok(())
}

/// What a kubeconfig has in base64, or else in a file.
pub(super) fn data_or_file(data: Option<&str>, file: Option<&str>) -> Result<Option<Zeroizing<Vec<u8>>>> {
    Ok(match (data, file) {
        (Some(data), _) => {
            let decoded = BASE64_STANDARD.decode(data.trim());
            Some(Zeroizing::new(
                decoded.map_err(|_| invalid("the kubeconfig holds data that is not base64"))?,
            ))
        }
        (None, Some(file)) => {
            let bytes = fs::read(file);
            let failed = |error| unreadable("a file that the kubeconfig names", Path::new(file), &error);
            Some(Zeroizing::new(bytes.map_err(failed)?))
        }
        (None, None) => None,
    })
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{what} cannot be read: {} ({})", path.display(), error.kind()))
        .with_help("check the path, the owner and the mode")
}

fn home(context: &OpenContext) -> Option<PathBuf> {
    let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    context.environment.var(variable).filter(|home| !home.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests;
