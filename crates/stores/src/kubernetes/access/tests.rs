use std::sync::Arc;

use modelmesh_secrets::setting::SettingValue;
use tempfile::TempDir;

use super::*;
use crate::environment::FixedEnvironment;

/// A kubeconfig with one context; `cluster` and `user` are YAML flow mappings without their braces.
fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{ name: here, context: {{ cluster: c, user: u, namespace: apps }} }}]\n\
         clusters: [{{ name: c, cluster: {{ {cluster} }} }}]\n\
         users: [{{ name: u, user: {{ {user} }} }}]\n"
    )
}

const SERVER: &str = "server: 'https://cluster.example.com'";

struct Machine {
    folder: TempDir,
    settings: Settings,
}

impl Machine {
    fn new() -> Self {
        Machine { folder: TempDir::new().unwrap(), settings: Settings::default() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[allow(clippy::disallowed_methods, reason = "a file of a test, in a folder of its own")]
        fs::write(&path, text).unwrap();
        path
    }

    fn with(mut self, key: &'static str, value: SettingValue) -> Self {
        self.settings.insert(key, value);
        self
    }

    fn find(&self, variables: &[(&str, &str)]) -> Result<Access> {
        let environment = Arc::new(FixedEnvironment::new(variables.iter().copied()));
        Access::find(&self.settings, &OpenContext { environment, ..OpenContext::default() })
    }

    /// What is found by a kubeconfig that the project's own file names.
    fn find_named(self, text: &str) -> Result<Access> {
        let file = self.file("kubeconfig", text);
        self.with("kubeconfig", SettingValue::Path(file)).find(&[])
    }
}

fn refusal(found: Result<Access>) -> Error {
    found.map(|access| access.server).unwrap_err()
}

#[test]
fn a_context_leads_to_a_cluster_a_namespace_and_a_user() {
    let access = Machine::new().find_named(&kubeconfig(SERVER, "token: t")).unwrap();
    assert_eq!((access.server.as_str(), access.namespace.as_str()), ("https://cluster.example.com", "apps"));
    assert!(access.user.token.is_some());
}

#[test]
fn the_context_can_be_another_than_the_current_one() {
    let other = kubeconfig("server: 'https://other.example.com'", "").replace("here", "there");
    let machine = Machine::new();
    let files = [machine.file("one", &kubeconfig(SERVER, "")), machine.file("two", &other)];
    let files = std::env::join_paths(files).unwrap().into_string().unwrap();
    let machine = machine.with("context", SettingValue::Text("there".into()));
    // Of two clusters of one name, the first counts, as in kubectl.
    assert_eq!(machine.find(&[("KUBECONFIG", &files)]).unwrap().server, "https://cluster.example.com");

    let machine = machine.with("context", SettingValue::Text("nowhere".into()));
    let error = refusal(machine.find(&[("KUBECONFIG", &files)]));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("'nowhere'"), "{error}");
}

#[cfg(not(windows))]
#[test]
fn kubectls_own_file_is_found_where_kubectl_has_it() {
    let machine = Machine::new();
    machine.file(".kube/config", &kubeconfig(SERVER, ""));
    let home = machine.folder.path().display().to_string();
    assert_eq!(machine.find(&[("HOME", &home)]).unwrap().server, "https://cluster.example.com");
    let error = refusal(machine.find(&[("HOME", &home), ("KUBECONFIG", "/nowhere/at/all")]));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
}

#[test]
fn a_kubeconfig_of_the_project_runs_no_program() {
    let helper = "exec: { apiVersion: client.authentication.k8s.io/v1, command: touch, args: [ran] }";
    let provider = "auth-provider: { name: gcp, config: { cmd-path: touch, cmd-args: ran } }";
    for user in [helper, provider] {
        let error = refusal(Machine::new().find_named(&kubeconfig(SERVER, user)));
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{user}");
        assert!(error.help().unwrap().contains("KUBECONFIG"), "{error:?}");
    }
    let machine = Machine::new();
    let file = machine.file("kubeconfig", &kubeconfig(SERVER, helper)).display().to_string();
    assert!(machine.find(&[("KUBECONFIG", &file)]).is_ok());
}

#[test]
fn a_helper_is_told_that_nobody_answers_questions() {
    let helper = |mode| format!("exec: {{ apiVersion: v1, command: helper, interactiveMode: {mode} }}");
    let machine = Machine::new();
    let file = machine.file("kubeconfig", &kubeconfig(SERVER, &helper("IfAvailable"))).display().to_string();
    let access = machine.find(&[("KUBECONFIG", &file)]).unwrap();
    assert_eq!(access.user.exec.unwrap().interactive_mode, Some(ExecInteractiveMode::Never));
    machine.file("kubeconfig", &kubeconfig(SERVER, &helper("Always")));
    assert_eq!(refusal(machine.find(&[("KUBECONFIG", &file)])).kind(), ErrorKind::InvalidConfig);
}

#[test]
fn what_would_weaken_tls_or_go_another_way_is_refused() {
    for more in ["insecure-skip-tls-verify: true", "proxy-url: 'http://p:1'", "tls-server-name: other"] {
        let error = refusal(Machine::new().find_named(&kubeconfig(&format!("{SERVER}, {more}"), "")));
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{more}");
        assert!(error.help().is_some(), "{error:?}");
    }
}

#[test]
fn what_is_no_kubeconfig_is_refused_unseen() {
    for text in ["canary: [", "users: canary", "current-context: here", ""] {
        let error = refusal(Machine::new().find_named(text));
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let gone = Machine::new().with("kubeconfig", SettingValue::Path("/nowhere/at/all".into()));
    assert_eq!(refusal(gone.find(&[])).kind(), ErrorKind::Io);
}

#[test]
fn outside_of_a_pod_there_must_be_a_kubeconfig() {
    let error = refusal(Machine::new().find(&[]));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.help().unwrap().contains("KUBECONFIG"), "{error:?}");
}

#[test]
fn a_context_is_never_taken_for_the_pods_own_cluster() {
    let machine = Machine::new().with("context", SettingValue::Text("prod".into()));
    let error = refusal(machine.find(&[("KUBERNETES_SERVICE_HOST", "h"), ("KUBERNETES_SERVICE_PORT", "1")]));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("'context'"), "{error:?}");
}

#[test]
fn the_address_of_a_pods_cluster_may_be_of_ip_version_6() {
    let machine = Machine::new();
    let authority = rcgen::generate_simple_self_signed(["cluster".to_owned()]).unwrap().cert.pem();
    machine.file("ca.crt", &authority);
    machine.file("namespace", "apps\n");
    let folder = SettingValue::Path(machine.folder.path().to_owned());
    let machine = machine.with("service_account", folder);
    for (host, server) in [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")] {
        let variables = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", "443")];
        let access = machine.find(&variables).unwrap();
        assert_eq!((access.server.as_str(), access.namespace.as_str()), (server, "apps"));
    }
    fs::remove_file(machine.folder.path().join("ca.crt")).unwrap();
    let variables = [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
    assert_eq!(refusal(machine.find(&variables)).kind(), ErrorKind::Io);
}
