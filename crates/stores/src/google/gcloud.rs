//! What `gcloud` keeps on a person's machine: <https://cloud.google.com/sdk/docs/configurations>.

use std::{fs, path::PathBuf};

use crate::environment::Environment;

/// Environment variables that `gcloud` reads.
mod variable {
    /// The folder, where it is another than the usual one.
    pub(super) const FOLDER: &str = "CLOUDSDK_CONFIG";
    /// The project, whatever the configuration says.
    pub(super) const PROJECT: &str = "CLOUDSDK_CORE_PROJECT";
    /// The configuration, whichever is active else.
    pub(super) const CONFIGURATION: &str = "CLOUDSDK_ACTIVE_CONFIG_NAME";
}

/// A variable that is set, and to text.
pub(super) fn variable(environment: &dyn Environment, name: &str) -> Option<String> {
    let value = environment.var(name)?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}

/// The folder in which a person's login and configurations are.
pub(super) fn folder(environment: &dyn Environment) -> Option<PathBuf> {
    let folder = |name: &str| environment.var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || {
        if cfg!(windows) {
            Some(folder("APPDATA")?.join("gcloud"))
        } else {
            Some(folder("HOME")?.join(".config/gcloud"))
        }
    };
    folder(variable::FOLDER).or_else(usual)
}

/// The project of the active configuration. Files that cannot be read say as little as those that are not there.
pub(super) fn project(environment: &dyn Environment) -> Option<String> {
    if let Some(project) = variable(environment, variable::PROJECT) {
        return Some(project);
    }
    let folder = folder(environment)?;
    let active = || Some(fs::read_to_string(folder.join("active_config")).ok()?.trim().to_owned());
    let name = variable(environment, variable::CONFIGURATION).or_else(active);
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned());
    // It is part of a file's name.
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return None;
    }
    let text = fs::read_to_string(folder.join("configurations").join(format!("config_{name}"))).ok()?;
    core_project(&text)
}

/// `project` of the section `core`.
fn core_project(configuration: &str) -> Option<String> {
    let lines = configuration.lines().map(str::trim);
    let core = lines.skip_while(|&line| line != "[core]").skip(1).take_while(|line| !line.starts_with('['));
    let mut settings = core.filter_map(|line| line.split_once('='));
    let (_, project) = settings.find(|(key, _)| key.trim() == "project")?;
    Some(project.trim()).filter(|project| !project.is_empty()).map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that gcloud would")]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::environment::FixedEnvironment;

    /// A folder with two configurations, and what is found there with these variables.
    fn found(active: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let folder = TempDir::new().unwrap();
        let configurations = folder.path().join("configurations");
        fs::create_dir(&configurations).unwrap();
        fs::write(configurations.join("config_default"), "[core]\naccount = me\nproject = usual\n").unwrap();
        fs::write(configurations.join("config_prod"), "[compute]\nproject=no\n[core]\nproject=prod").unwrap();
        if let Some(active) = active {
            fs::write(folder.path().join("active_config"), active).unwrap();
        }
        let path = folder.path().to_str().unwrap();
        let variables = variables.iter().copied().chain([(variable::FOLDER, path)]);
        project(&FixedEnvironment::new(variables))
    }

    #[test]
    fn the_project_is_that_of_the_active_configuration() {
        assert_eq!(found(None, &[]).as_deref(), Some("usual"));
        assert_eq!(found(Some("prod\n"), &[]).as_deref(), Some("prod"));
        let other = (variable::CONFIGURATION, "default");
        assert_eq!(found(Some("prod"), &[other]).as_deref(), Some("usual"));
        assert_eq!(found(Some("prod"), &[(variable::PROJECT, "named")]).as_deref(), Some("named"));
    }

    #[test]
    fn what_is_not_there_says_nothing() {
        for absent in ["gone", "../default", "default/../config_default"] {
            assert_eq!(found(Some(absent), &[]), None, "{absent}");
        }
        assert_eq!(project(&FixedEnvironment::default()), None);
        for text in ["", "project = x", "[core]\nproject =\n", "[core]\n[compute]\nproject = x"] {
            assert_eq!(core_project(text), None, "{text}");
        }
    }
}
