//! Projects, and the secrets in them.

use std::{cmp::Reverse, collections::BTreeMap};

use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    http::Asked,
    listing::{page, parse_filter},
    login::Caller,
    path::{Place, Target, decoded},
    reply::{Outcome, Reply, invalid},
    secret::{FIELDS, Secret, Version, VersionState, another_etag, check_etag},
};

/// How a project answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// As it should.
    #[default]
    Well,
    /// As [`Well`](Condition::Well), to callers without a token too, as emulators do.
    Open,
    /// With an error, by its code and its reason.
    Failing(&'static str, &'static str),
    /// With payloads that are not what was stored.
    Damaging,
}

#[derive(Default)]
pub(super) struct Projects(BTreeMap<String, Project>);

#[derive(Default)]
pub(super) struct Project {
    pub(super) condition: Condition,
    pub(super) requests: Vec<String>,
    number: u64,
    /// By location, none for global ones, and name.
    secrets: BTreeMap<(Option<String>, String), Secret>,
    made: u64,
}

impl Projects {
    pub(super) fn make(&mut self) -> String {
        let number = 100_000_000_001 + self.0.len() as u64;
        let id = format!("project-{number}");
        self.0.insert(id.clone(), Project { number, ..Project::default() });
        id
    }

    pub(super) fn of(&mut self, project: &str) -> &mut Project {
        self.0.get_mut(project).expect("a project of this server")
    }

    pub(super) fn answer(&mut self, asked: &Asked, caller: &Caller) -> Outcome {
        let no_method = || Reply::error("NOT_FOUND", "Method not found.");
        let mut segments = asked.path.strip_prefix("/v1/projects/").ok_or_else(no_method)?.split('/');
        let id = decoded(segments.next().unwrap_or_default());
        let target = Target::of(segments.collect()).ok_or_else(no_method)?;
        let mut found =
            self.0.iter_mut().filter(|(known, project)| **known == id || project.number.to_string() == id);
        let (_, project) = found.next().ok_or_else(|| {
            Reply::error("PERMISSION_DENIED", "Permission denied on resource project.")
                .because("CONSUMER_INVALID")
        })?;
        project.requests.push(format!("{} {}", asked.method, asked.target));
        if !caller.is_known && project.condition != Condition::Open {
            return Err(Reply::error(
                "UNAUTHENTICATED",
                "Request is missing required authentication credential.",
            )
            .because("CREDENTIALS_MISSING"));
        }
        if let Condition::Failing(code, reason) = project.condition {
            return Err(Reply::error(code, "It was told to fail.").because(reason));
        }
        project.answer(asked, target)
    }
}

impl Project {
    fn answer(&mut self, asked: &Asked, Target { location, place, action }: Target) -> Outcome {
        let no_method = || Err(Reply::error("NOT_FOUND", "Method not found."));
        let (method, action) = (&asked.method, action.as_deref());
        let id = match &place {
            Place::Secrets => {
                return match (method, action) {
                    (&Method::GET, None) => self.list(asked, location.as_deref()),
                    (&Method::POST, None) => self.create(asked, location),
                    _ => no_method(),
                };
            }
            Place::Secret(id) | Place::Versions(id) | Place::Version(id, _) => id.clone(),
        };
        let is_damaging = self.condition == Condition::Damaging;
        let name = format!("{}/secrets/{id}", self.parent(location.as_deref()));
        let key = (location, id);
        let Some(secret) = self.secrets.get_mut(&key) else {
            return Err(Reply::error("NOT_FOUND", &format!("Secret [{name}] not found.")));
        };
        match (place, method, action) {
            (Place::Secret(_), &Method::GET, None) => Ok(secret.shown(&name)),
            (Place::Secret(_), &Method::PATCH, None) => secret.patch(asked, &name),
            (Place::Secret(_), &Method::POST, Some("addVersion")) => secret.add(asked, &name),
            (Place::Secret(_), &Method::DELETE, None) => {
                check_etag(asked.parameter("etag"), secret.etag)?;
                self.secrets.remove(&key);
                Ok(json!({}))
            }
            (Place::Versions(_), &Method::GET, None) => secret.list_versions(asked, &name),
            (Place::Version(_, version), method, action) => {
                let number = secret.number_of(&version, &name)?;
                let name = format!("{name}/versions/{number}");
                let version = &mut secret.versions[number - 1];
                let state = match (method, action) {
                    (&Method::GET, None) => return Ok(version.shown(&name)),
                    (&Method::GET, Some("access")) => return version.access(&name, is_damaging),
                    (&Method::POST, Some("enable")) => VersionState::Enabled,
                    (&Method::POST, Some("disable")) => VersionState::Disabled,
                    (&Method::POST, Some("destroy")) => VersionState::Destroyed,
                    _ => return no_method(),
                };
                check_etag(asked.json()?["etag"].as_str(), version.etag)?;
                version.turn(state, &name)?;
                Ok(version.shown(&name))
            }
            _ => no_method(),
        }
    }

    /// Google answers with a project's number, whatever it was asked with.
    fn parent(&self, location: Option<&str>) -> String {
        let location = location.map(|location| format!("/locations/{location}")).unwrap_or_default();
        format!("projects/{}{location}", self.number)
    }

    fn create(&mut self, asked: &Asked, location: Option<String>) -> Outcome {
        let id = asked.parameter("secretId").ok_or_else(|| invalid("secret_id must be provided."))?;
        let is_id = id.len() <= 255 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !is_id {
            return Err(invalid("secret_id does not match [A-Za-z0-9_-]{1,255}."));
        }
        let fields = fields(&asked.json()?)?;
        match (&location, fields.get("replication")) {
            (None, None) => return Err(invalid("Secret.replication must be provided.")),
            (Some(_), Some(_)) => {
                return Err(invalid("Secret.replication must not be set for regional secrets."));
            }
            _ => {}
        }
        let name = format!("{}/secrets/{id}", self.parent(location.as_deref()));
        let key = (location, id.to_owned());
        if self.secrets.contains_key(&key) {
            return Err(Reply::error("ALREADY_EXISTS", &format!("Secret [{name}] already exists.")));
        }
        Ok(self.insert(key, fields).shown(&name))
    }

    fn insert(&mut self, key: (Option<String>, String), fields: Map<String, Value>) -> &mut Secret {
        self.made += 1;
        let (sequence, created) = (self.made, Timestamp::now());
        let secret = Secret { sequence, created, etag: another_etag(), fields, versions: Vec::new() };
        self.secrets.entry(key).or_insert(secret)
    }

    fn list(&self, asked: &Asked, location: Option<&str>) -> Outcome {
        let filter = asked.parameter("filter").map(parse_filter).transpose()?;
        let parent = self.parent(location);
        let mut found: Vec<_> =
            self.secrets.iter().filter(|((at, _), _)| at.as_deref() == location).collect();
        found.retain(|((_, id), _)| {
            filter.as_ref().is_none_or(|part| id.to_ascii_lowercase().contains(&part.to_ascii_lowercase()))
        });
        found.sort_by_key(|(_, secret)| Reverse(secret.sequence));
        let shown = |((_, id), secret): &(&(Option<String>, String), &Secret)| {
            (secret.sequence, secret.shown(&format!("{parent}/secrets/{id}")))
        };
        let context = format!("{parent}?{}", filter.as_deref().unwrap_or_default());
        page(asked, &context, "secrets", found.iter().map(shown).collect())
    }

    pub(super) fn add_version(&mut self, secret: &str, bytes: &[u8]) -> u64 {
        let key = (None, secret.to_owned());
        if !self.secrets.contains_key(&key) {
            let fields = json!({ "replication": { "automatic": {} } });
            self.insert(key.clone(), fields.as_object().expect("an object").clone());
        }
        let versions = &mut self.secrets.get_mut(&key).expect("it was made").versions;
        versions.push(Version::new(bytes.to_vec(), true));
        versions.len() as u64
    }

    pub(super) fn set_version_state(&mut self, secret: &str, version: u64, state: VersionState) {
        let secret = self.held(secret);
        let version = usize::try_from(version).expect("a number of a version") - 1;
        secret.versions[version].turn(state, "").expect("it is not destroyed");
    }

    pub(super) fn set_alias(&mut self, secret: &str, alias: &str, version: u64) {
        let aliases = self.held(secret).fields.entry("versionAliases").or_insert_with(|| json!({}));
        aliases[alias] = json!(version.to_string());
    }

    fn held(&mut self, secret: &str) -> &mut Secret {
        self.secrets.get_mut(&(None, secret.to_owned())).expect("a secret of this project")
    }
}

/// The fields of a secret that a client sets. Google refuses those that it does not know.
fn fields(body: &Value) -> Result<Map<String, Value>, Reply> {
    let body = body.as_object().ok_or_else(|| invalid("Invalid JSON payload received."))?;
    if body.keys().any(|field| !FIELDS.contains(&field.as_str())) {
        return Err(invalid("Invalid JSON payload received. Unknown name."));
    }
    Ok(body.clone())
}
