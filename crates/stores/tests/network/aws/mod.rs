//! What is peculiar to AWS Secrets Manager.

mod batches;
mod errors;
mod logins;
mod secrets;

use std::sync::Arc;

use libtest_mimic::Trial;
use modelmesh_secrets::StoreSource as _;
use modelmesh_testkit::servers::aws::AwsServer;

use crate::{
    asking::{Store, key, kind_of_get, name, open},
    backend,
    backends::aws::{Aws, entry},
};

pub(crate) fn trials() -> Vec<Trial> {
    let backend = Arc::new(Aws::new());
    macro_rules! trials {
        ($($module:ident: $($test:ident),* $(,)?;)*) => {
            vec![$($({
                let backend = Arc::clone(&backend);
                let name = concat!("aws::", stringify!($module), "::", stringify!($test));
                crate::trial(name, move || async move { $module::$test(&Fixture::new(&backend)).await })
            }),*),*]
        };
    }
    trials![
        batches:
            a_thousand_references_start_in_fifty_calls,
            without_the_right_a_thousand_single_calls_keep_to_the_limit,
            each_name_of_a_batch_has_its_own_answer,
            a_name_that_spoils_a_batch_hides_no_value,
            a_throttled_batch_is_asked_again,
            a_service_without_batches_is_asked_one_by_one,
            another_stage_is_never_asked_in_batches,
            one_name_is_no_batch;
        errors:
            each_code_has_its_kind_and_says_what_to_do,
            what_is_not_in_amazons_shape_is_an_outage,
            an_answer_that_is_no_answer_is_malformed,
            an_answer_for_another_secret_is_malformed,
            a_success_that_is_none_acknowledges_nothing,
            an_outage_may_say_when_it_is_over,
            nobody_at_the_address_is_an_outage,
            hostile_names_are_refused_before_any_call,
            settings_that_contradict_each_other_are_refused,
            nothing_that_amazons_library_logs_is_heard;
        logins:
            credentials_are_found_as_amazons_tools_do,
            what_is_named_is_the_only_place,
            a_role_is_assumed,
            a_pod_shows_its_token_and_gets_a_role,
            a_container_and_a_machine_have_roles,
            no_credentials_are_store_auth_and_say_what_to_do,
            credentials_that_were_not_there_are_looked_for_again,
            a_replaced_key_is_read_anew,
            a_login_that_stays_refused_is_store_auth_after_one_fresh_one,
            a_clock_that_is_wrong_is_corrected,
            a_role_that_is_refused_is_store_auth,
            the_region_and_the_address_are_found_as_amazons_tools_do,
            trusted_authorities_are_found_as_amazons_tools_do;
        secrets:
            a_deleted_secret_is_disabled_and_set_restores_it,
            versions_are_found_by_id_and_stage,
            the_stage_of_the_settings_is_read,
            a_write_that_is_sent_twice_makes_one_version,
            writers_at_once_each_make_a_version,
            two_creators_at_once_lose_nothing,
            a_known_secret_is_written_in_one_call,
            an_arn_is_a_name_that_is_there_already,
            without_a_recovery_window_a_secret_is_gone_at_once,
            a_listing_asks_for_its_prefix_alone,
            a_listing_leaves_out_what_is_read_by_its_arn_alone;
    ]
}

/// A region of a test's own.
struct Fixture<'f> {
    backend: &'f Aws,
    region: String,
}

impl<'f> Fixture<'f> {
    fn new(backend: &'f Aws) -> Self {
        Fixture { backend, region: backend.server().region() }
    }

    fn server(&self) -> &AwsServer {
        self.backend.server()
    }

    fn entry(&self) -> String {
        entry(&self.server().address(), &self.region)
    }

    /// A store of the region, with more settings.
    async fn store(&self, more: &str) -> Store {
        let text = backend::configuration(&self.entry(), more);
        backend::stores(self.backend, &text).without_cache().store("s").await.unwrap()
    }

    fn actions(&self) -> Vec<String> {
        self.server().actions(&self.region)
    }

    async fn call(&self, action: &str, input: serde_json::Value) -> serde_json::Value {
        self.server().call(&self.region, action, &input).await
    }

    /// Makes a secret as another program would.
    async fn hold(&self, name: &str, value: &str) -> String {
        let made =
            self.call("CreateSecret", serde_json::json!({ "Name": name, "SecretString": value })).await;
        made["ARN"].as_str().unwrap().to_owned()
    }
}
