//! Who the store is to Amazon: where credentials are found, and what follows when they are refused.

use std::fs;

use modelmesh_secrets::ErrorKind;
use modelmesh_testkit::servers::{
    aws::{CONTAINER_TOKEN, Canned},
    proxy::FaultProxy,
};
use tempfile::TempDir;

use super::{Fixture, Store, entry, key, kind_of_get, open};

/// What keeps a store from looking for a machine's metadata, which is not on loopback.
const NO_MACHINE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

const ROLE: &str = "arn:aws:iam::123456789012:role/gateway";

/// A home folder.
struct Home(TempDir);

impl Home {
    fn with(config: &str, credentials: &str) -> Self {
        let home = Home(TempDir::new().unwrap());
        fs::create_dir(home.0.path().join(".aws")).unwrap();
        home.write("config", config);
        home.write("credentials", credentials);
        home
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(".aws").join(file), text).unwrap();
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Fixture<'_> {
    /// A store with these variables and no others.
    async fn store_of(&self, more: &str, variables: &[(&str, &str)]) -> Store {
        let variables: Vec<_> = variables.iter().copied().chain([NO_MACHINE]).collect();
        open(&self.entry(), more, &variables).await.unwrap()
    }

    /// The key that signs a read.
    async fn signer(&self, store: &Store) -> String {
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
        self.server().calls(&self.region).pop().unwrap().access_key
    }
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "OFVARIABLES"), ("AWS_SECRET_ACCESS_KEY", "x")];

const PROFILES: &str = "[default]\naws_access_key_id = OFDEFAULT\naws_secret_access_key = x\n\
                        [prod]\naws_access_key_id = OFPROD\naws_secret_access_key = x\n";

pub(super) async fn credentials_are_found_as_amazons_tools_do(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let home = Home::with("", PROFILES);
    let elsewhere = Home::with("", &PROFILES.replace("OFDEFAULT", "OFELSEWHERE"));
    let file = elsewhere.0.path().join(".aws/credentials").display().to_string();
    let home = ("HOME", home.path());
    for (variables, signer) in [
        (vec![KEYS[0], KEYS[1], home], "OFVARIABLES"),
        (vec![home], "OFDEFAULT"),
        (vec![home, ("AWS_PROFILE", "prod")], "OFPROD"),
        (vec![("AWS_SHARED_CREDENTIALS_FILE", file.as_str())], "OFELSEWHERE"),
    ] {
        let store = fixture.store_of("", &variables).await;
        assert_eq!(fixture.signer(&store).await, signer);
    }
}

pub(super) async fn what_is_named_is_the_only_place(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let home = Home::with("[profile env]\nrole_arn = x\ncredential_source = Environment\n", PROFILES);
    let all = [KEYS[0], KEYS[1], ("HOME", home.path())];
    for (more, signer) in [
        ("profile: prod", "OFPROD"),
        ("auth: profile", "OFDEFAULT"),
        ("auth: profile, profile: prod", "OFPROD"),
        ("auth: access_key", "OFVARIABLES"),
        ("access_key_id: OFSETTINGS, secret_access_key: x", "OFSETTINGS"),
    ] {
        let store = fixture.store_of(more, &all).await;
        assert_eq!(fixture.signer(&store).await, signer, "{more}");
    }
    for more in ["auth: iam_role", "profile: no-such-profile"] {
        assert_eq!(kind_of_get(&fixture.store_of(more, &all).await).await, ErrorKind::StoreAuth, "{more}");
    }
    let error = fixture.store_of("auth: access_key", &all[2..]).await.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

pub(super) async fn a_role_is_assumed(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let sts = fixture.server().address();
    let variables = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL_STS", &sts)];
    let store = fixture.store_of(&format!("role_arn: '{ROLE}'"), &variables).await;
    let signer = fixture.signer(&store).await;
    assert!(signer.starts_with("ASIA"), "{signer}");
    assert_eq!(fixture.actions(), ["AssumeRole", "GetSecretValue"]);
    // The session is kept.
    fixture.signer(&store).await;
    assert_eq!(fixture.actions(), ["AssumeRole", "GetSecretValue", "GetSecretValue"]);
}

pub(super) async fn a_pod_shows_its_token_and_gets_a_role(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "the token of the pod").unwrap();
    let (sts, token) = (fixture.server().address(), token.display().to_string());
    let pod = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "pod"),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ];
    for more in ["", "auth: iam_role"] {
        let signer = fixture.signer(&fixture.store_of(more, &pod).await).await;
        assert!(signer.starts_with("ASIA"), "{signer}");
    }
}

pub(super) async fn a_container_and_a_machine_have_roles(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let server = fixture.server().address();
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{server}/container-credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN.to_owned()),
    ];
    let machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.clone())];
    for (variables, signer) in [(&container[..], "ASIACONTAINER"), (&machine[..], "test-key")] {
        // Keys and profiles of the variables are no role.
        let home = Home::with("", PROFILES);
        let mut variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (more, others) in [("", &[][..]), ("auth: iam_role", &[KEYS[0], KEYS[1], ("HOME", home.path())])]
        {
            variables.extend(others);
            let store = open(&fixture.entry(), more, &variables).await.unwrap();
            assert_eq!(fixture.signer(&store).await, signer, "{more}");
        }
    }
}

pub(super) async fn no_credentials_are_store_auth_and_say_what_to_do(fixture: &Fixture<'_>) {
    let error = fixture.store_of("", &[]).await.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth, "{error}");
    assert!(error.help().unwrap().contains("aws sso login"), "{error:?}");
    assert_eq!(fixture.actions(), [] as [&str; 0]);
}

pub(super) async fn credentials_that_were_not_there_are_looked_for_again(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let home = Home::with("", "");
    let store = fixture.store_of("", &[("HOME", home.path())]).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    home.write("credentials", PROFILES);
    assert_eq!(fixture.signer(&store).await, "OFDEFAULT");
}

pub(super) async fn a_replaced_key_is_read_anew(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let home = Home::with("", PROFILES);
    let store = fixture.store_of("profile: prod", &[("HOME", home.path())]).await;
    assert_eq!(fixture.signer(&store).await, "OFPROD");

    home.write("credentials", &PROFILES.replace("OFPROD", "REPLACED"));
    assert_eq!(fixture.signer(&store).await, "OFPROD");
    let refused = Canned::error(400, "UnrecognizedClientException").times(1);
    fixture.server().answer(&fixture.region, None, refused);
    assert_eq!(fixture.signer(&store).await, "REPLACED");
}

pub(super) async fn a_login_that_stays_refused_is_store_auth_after_one_fresh_one(fixture: &Fixture<'_>) {
    let store = fixture.store_of("", &KEYS).await;
    fixture.server().answer(&fixture.region, None, Canned::error(400, "ExpiredTokenException"));
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    assert_eq!(fixture.actions(), ["GetSecretValue", "GetSecretValue"]);
}

pub(super) async fn a_clock_that_is_wrong_is_corrected(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let store = fixture.store_of("", &KEYS).await;
    let skewed = Canned::error(400, "InvalidSignatureException")
        .with_header("date", "Wed, 01 Jul 2099 00:00:00 GMT")
        .times(1);
    fixture.server().answer(&fixture.region, None, skewed);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    let calls = fixture.server().calls(&fixture.region);
    let years: Vec<&str> = calls.iter().map(|call| &call.signed_at[..4]).collect();
    assert_eq!(years.len(), 2);
    assert_ne!(years[0], "2099");
    assert_eq!(years[1], "2099");
}

pub(super) async fn a_role_that_is_refused_is_store_auth(fixture: &Fixture<'_>) {
    let sts = fixture.server().address();
    let variables = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL_STS", &sts)];
    let more = format!("role_arn: '{ROLE}', retry: {{ tries: 1 }}");
    for (status, code, kind) in [
        (403, "AccessDenied", ErrorKind::StoreAuth),
        (403, "InvalidClientTokenId", ErrorKind::StoreAuth),
        (400, "Throttling", ErrorKind::Throttled),
        (503, "ServiceUnavailable", ErrorKind::Unavailable),
    ] {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>canary</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        );
        fixture.server().answer(&fixture.region, Some("AssumeRole"), Canned::new(status, body));
        let error = fixture.store_of(&more, &variables).await.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert!(error.message().contains(code), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    // A proxy in between knows nothing of roles.
    fixture.server().answer(&fixture.region, Some("AssumeRole"), Canned::new(403, "<h1>Forbidden</h1>"));
    assert_eq!(kind_of_get(&fixture.store_of(&more, &variables).await).await, ErrorKind::Unavailable);
}

pub(super) async fn the_region_and_the_address_are_found_as_amazons_tools_do(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let (server, region) = (fixture.server().address(), fixture.region.as_str());
    let config = format!("[default]\nregion = {region}\nendpoint_url = {server}\n");
    let home = Home::with(&config, PROFILES);
    for variables in [
        vec![KEYS[0], KEYS[1], ("AWS_REGION", region), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.as_str())],
        vec![KEYS[0], KEYS[1], ("AWS_DEFAULT_REGION", region), ("AWS_ENDPOINT_URL", server.as_str())],
        vec![("HOME", home.path())],
    ] {
        let variables: Vec<_> = variables.into_iter().chain([NO_MACHINE]).collect();
        let store = open("store: aws.secrets-manager.v1", "", &variables).await.unwrap();
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value", "{variables:?}");
    }
    let nowhere = open("store: aws.secrets-manager.v1", "", &[KEYS[0], KEYS[1], NO_MACHINE]).await.unwrap();
    let error = nowhere.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.help().unwrap().contains("AWS_REGION"), "{error:?}");
    // What the variables name is no safer than what the settings do.
    let plain = [KEYS[0], KEYS[1], NO_MACHINE, ("AWS_ENDPOINT_URL", "http://secrets.example.com")];
    let plain = open("store: aws.secrets-manager.v1, region: us-east-1", "", &plain).await.unwrap();
    assert_eq!(kind_of_get(&plain).await, ErrorKind::InvalidConfig);
}

pub(super) async fn trusted_authorities_are_found_as_amazons_tools_do(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "value").await;
    let proxy = FaultProxy::start(&fixture.server().address(), None, |_| false);
    let entry = entry(&proxy.address(), &fixture.region);
    let file = |path: &str| {
        let settings = format!("ca_bundle = {path}\naws_access_key_id = x\naws_secret_access_key = x\n");
        Home::with(&format!("[default]\n{settings}[profile named]\n{settings}"), "")
    };
    let home = Home::with("", "");
    home.write("ca.pem", proxy.ca_cert());
    let authority = home.0.path().join(".aws/ca.pem").display().to_string();
    let (good, bad) = (file(&authority), file("/no/such/file.pem"));
    let bundle = ("AWS_CA_BUNDLE", authority.as_str());
    for (more, variables) in [
        ("", vec![bundle]),
        ("auth: access_key", vec![bundle]),
        ("", vec![("HOME", good.path())]),
        ("auth: profile", vec![("HOME", good.path())]),
        ("profile: named", vec![("HOME", good.path())]),
        ("", vec![("HOME", good.path()), ("AWS_PROFILE", "named")]),
        // The variable is meant, where both are there, and the setting before both.
        ("", vec![("HOME", bad.path()), bundle]),
        (
            &format!("ca_cert: '{authority}'"),
            vec![("HOME", bad.path()), ("AWS_CA_BUNDLE", "/no/such/file.pem")],
        ),
    ] {
        let variables: Vec<_> = variables.into_iter().chain(KEYS).chain([NO_MACHINE]).collect();
        let store = open(&entry, more, &variables).await.unwrap();
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value", "{more} {variables:?}");
    }

    let unknown = [KEYS[0], KEYS[1], NO_MACHINE, ("AWS_CA_BUNDLE", "")];
    let error = open(&entry, "retry: { tries: 1 }", &unknown).await.unwrap().get(&key()).await.unwrap_err();
    assert!(error.message().contains("certificate"), "{error}");

    let missing = [KEYS[0], KEYS[1], NO_MACHINE, ("AWS_CA_BUNDLE", "/no/such/file.pem")];
    let error = open(&entry, "", &missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("AWS_CA_BUNDLE") && error.help().is_some(), "{error:?}");
    let missing = [KEYS[0], KEYS[1], NO_MACHINE, ("HOME", bad.path())];
    let error = open(&entry, "", &missing).await.unwrap().get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("ca_bundle") && error.help().is_some(), "{error:?}");
}
