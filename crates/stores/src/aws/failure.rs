//! Amazon's errors, by their code and never by their words or their HTTP status.

use std::{error::Error as StdError, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::{
    assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use modelmesh_secrets::{Error, ErrorKind};
use reqwest::StatusCode;

use super::transport::RetryAfter;
use crate::network::{interposed, malformed};

/// What was asked, for the words of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Get,
    GetMany,
    Put,
    Create,
    Restore,
    List,
    Describe,
    Delete,
}

impl Asked {
    /// The action of IAM that it takes.
    /// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html>
    fn action(self) -> &'static str {
        match self {
            Asked::Get => "secretsmanager:GetSecretValue",
            Asked::GetMany => "secretsmanager:BatchGetSecretValue",
            Asked::Put => "secretsmanager:PutSecretValue",
            Asked::Create => "secretsmanager:CreateSecret",
            Asked::Restore => "secretsmanager:RestoreSecret",
            Asked::List => "secretsmanager:ListSecrets",
            Asked::Describe => "secretsmanager:DescribeSecret",
            Asked::Delete => "secretsmanager:DeleteSecret",
        }
    }
}

/// The codes of a login that is not accepted, of every service:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>.
const REFUSED_LOGIN: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotSignedUp",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// The codes of a throttle, as Amazon's libraries know them:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>.
const THROTTLE: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// A refusal in Amazon's shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'r> {
    code: &'r str,
    request_id: Option<&'r str>,
    retry_after: Option<Duration>,
}

impl<'r> Refusal<'r> {
    /// What Amazon says in `code` and `response`; none if the code is none of its own.
    fn of(code: &'r str, response: Option<&'r HttpResponse>) -> Option<Self> {
        let header = |name| response.and_then(|response| response.headers().get(name));
        let request_id = header("x-amzn-requestid").filter(|id| is_word(id));
        let retry_after = response.and_then(retry_after);
        is_word(code).then_some(Refusal { code, request_id, retry_after })
    }

    /// The error of one name among others, which has no response of its own.
    pub(super) fn of_one(code: Option<&'r str>) -> Error {
        match code.and_then(|code| Refusal::of(code, None)) {
            Some(refusal) => refusal.error(Asked::Get),
            None => malformed("refuses a secret without a reason"),
        }
    }

    /// The code as errors show it, with the ID by which Amazon's support finds the request.
    fn shown(&self) -> String {
        match self.request_id {
            Some(id) => format!("{}, request {id}", self.code),
            None => self.code.to_owned(),
        }
    }

    fn error(&self, asked: Asked) -> Error {
        let error = |kind, what: &str| Error::new(kind, format!("{what} ({})", self.shown()));
        match self.code {
            code if REFUSED_LOGIN.contains(&code) => self.refused_login(),
            code if THROTTLE.contains(&code) => self.throttled(),
            "ResourceNotFoundException" => error(ErrorKind::NotFound, "not found"),
            "AccessDenied" | "AccessDeniedException" => {
                let help = format!(
                    "it takes {}, and the use of the secret's KMS key; a secret that does not exist may be refused in \
                     the same way",
                    asked.action()
                );
                error(ErrorKind::Denied, "the caller has no permission for this").with_help(help)
            }
            "InvalidRequestException" => {
                error(ErrorKind::Disabled, "the secret is marked for deletion, or another service manages it")
                    .with_help("'set' restores a secret that is marked for deletion, and so does 'aws secretsmanager restore-secret'")
            }
            "DecryptionFailure" => {
                error(ErrorKind::Disabled, "the KMS key of the secret cannot be used")
                    .with_help("look whether the key is disabled or marked for deletion")
            }
            "EncryptionFailure" => error(ErrorKind::Denied, "the KMS key of the secret cannot be used")
                .with_help("look whether the key is disabled, and whether the caller may use it"),
            "ResourceExistsException" => {
                error(ErrorKind::Conflict, "somebody else changed the secret meanwhile").with_help("try again")
            }
            "LimitExceededException" => error(ErrorKind::Unsupported, "the secret or the account holds no more").with_help(
                "about 100 versions of a secret are kept, and none is removed before it is a day old: write it less often, \
                 or try again tomorrow; else the number of secrets is limited",
            ),
            "UnknownOperationException" | "InvalidAction" | "UnsupportedOperationException" => {
                error(ErrorKind::Unsupported, "the service does not know this call")
                    .with_help("check that 'endpoint' is that of Secrets Manager")
            }
            "InvalidNextTokenException"
            | "InvalidParameterException"
            | "InvalidParameterValue"
            | "MalformedPolicyDocumentException"
            | "PreconditionNotMetException"
            | "SerializationException"
            | "ValidationException" => error(ErrorKind::InvalidConfig, "the request is refused as wrong")
                .with_help("check 'version_stage' and 'endpoint', and that an ARN is of the store's own region"),
            // InternalServiceError, InternalFailure, ServiceUnavailable, and what may be added.
            _ => error(ErrorKind::Unavailable, "the service failed")
                .with_help("try again; https://health.aws.amazon.com tells of outages")
                .with_retry_after(self.retry_after),
        }
    }

    fn refused_login(&self) -> Error {
        let help = match self.code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                "the session has ended: log in again"
            }
            "InvalidSignatureException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch" => "check the secret access key, and the clock of this machine",
            "NotSignedUp" | "OptInRequired" => "the account does not use this region: check 'region'",
            _ => "log in again, or look whether the access key or the role was deactivated or deleted",
        };
        Error::new(ErrorKind::StoreAuth, format!("the credentials are not accepted ({})", self.shown()))
            .with_help(help)
    }

    fn throttled(&self) -> Error {
        let what = format!("the rate of calls is too high ({})", self.shown());
        Error::new(ErrorKind::Throttled, what)
            .with_help("a longer 'cache_ttl' asks less often, and a smaller 'max_in_flight' less at once")
            .with_retry_after(self.retry_after)
    }
}

/// Codes and request IDs are words. Anything else is not shown, for a proxy may have written it.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The error that `error` is, to what was asked.
pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, asked: Asked) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let Some(response) = error.raw_response() else {
        return without_answer(error);
    };
    match error.code().and_then(|code| Refusal::of(code, Some(response))) {
        Some(refusal) => refusal.error(asked),
        None if response.status().is_success() => malformed("is not what the store sends"),
        None => {
            let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or_default();
            interposed(status).with_retry_after(retry_after(response))
        }
    }
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    response.extension::<RetryAfter>().map(|RetryAfter(wait)| *wait)
}

/// Whether the service says that it does not accept the login.
pub(super) fn refuses_login<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some() && error.code().is_some_and(|code| REFUSED_LOGIN.contains(&code))
}

/// Whether the service's clock and ours differ by more than a signature may. Then the library has learnt the service's
/// time from this answer, and signs with it from now on.
pub(super) fn clocks_differ<E>(error: &SdkError<E, HttpResponse>) -> bool {
    /// What the library takes for a difference; a signature is valid for five minutes.
    const CLEAR: Duration = Duration::from_mins(4);
    let date = error.raw_response().and_then(|response| response.headers().get("date"));
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    theirs.is_some_and(|theirs| {
        theirs.timestamp().duration_since(jiff::Timestamp::now()).unsigned_abs() > CLEAR
    })
}

/// Whether no request was made, for want of credentials.
pub(super) fn lacks_credentials<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    causes(error).any(<dyn StdError>::is::<CredentialsError>)
}

fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> + Clone {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// The error of a request that was not sent, or not answered: our transport's own, or that of a login.
fn without_answer(error: &(dyn StdError + 'static)) -> Error {
    causes(error)
        .find_map(|cause| cause.downcast_ref().map(no_credentials))
        .or_else(|| of_transport(error))
        .unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "the request could not be made"))
}

/// The error of our own transport, if it is the cause.
fn of_transport(error: &(dyn StdError + 'static)) -> Option<Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<Error>()).cloned()
}

/// The error of a login that gives no credentials. What the library says of it is not shown: it may hold the answer of
/// whoever gives credentials.
fn no_credentials(error: &CredentialsError) -> Error {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => Error::new(ErrorKind::StoreAuth, "no credentials were found")
            .with_help(
                "'aws sso login' or 'aws configure' make some for a person, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
                 are read too, and in the cloud the machine's role is used; check 'auth' and 'profile'",
            ),
        CredentialsError::InvalidConfiguration(_) => {
            Error::new(ErrorKind::InvalidConfig, "the profile or the variables of the login are wrong")
                .with_help("check 'profile' and the files in ~/.aws; 'aws sts get-caller-identity' shows what is wrong")
        }
        CredentialsError::ProviderTimedOut(_) => {
            Error::new(ErrorKind::Unavailable, "the login was not answered in time")
                .with_help("check that what gives the credentials (STS, SSO, the metadata service) can be reached")
        }
        _ => causes(error)
            .find_map(|cause| {
                refusal_of_role::<AssumeRoleError>(cause)
                    .or_else(|| refusal_of_role::<AssumeRoleWithWebIdentityError>(cause))
            })
            .or_else(|| of_transport(error))
            .unwrap_or_else(|| {
                Error::new(ErrorKind::StoreAuth, "the login gives no credentials")
                    .with_help("'aws sts get-caller-identity' shows what is wrong; a session may have ended")
            }),
    }
}

/// What STS answers, if `cause` is the failure of a request to it.
fn refusal_of_role<E>(cause: &(dyn StdError + 'static)) -> Option<Error>
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let error = cause.downcast_ref::<SdkError<E, HttpResponse>>()?;
    error.raw_response()?;
    let told = of(error, Asked::Get);
    let code = error.code().filter(|code| is_word(code));
    Some(match (told.kind(), code) {
        (ErrorKind::Throttled | ErrorKind::Unavailable, _) | (_, None) => told,
        (_, Some(code)) => Error::new(ErrorKind::StoreAuth, format!("the role cannot be assumed ({code})"))
            .with_help("check 'role_arn', and that the role trusts the caller and lets it be assumed"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let codes = REFUSED_LOGIN.iter().chain(THROTTLE).chain(&[
            "AccessDeniedException",
            "InvalidRequestException",
            "DecryptionFailure",
            "EncryptionFailure",
            "ResourceExistsException",
            "LimitExceededException",
            "UnknownOperationException",
            "ValidationException",
        ]);
        for code in codes {
            let error = Refusal::of(code, None).unwrap().error(Asked::Get);
            assert!(error.help().is_some(), "{code}");
            assert!(error.message().contains(code), "{error}");
        }
    }

    #[test]
    fn what_is_no_code_of_amazons_is_not_shown() {
        for code in ["", "no such thing", "\u{1b}[2J", "canary/canary", &"x".repeat(65)] {
            assert!(Refusal::of(code, None).is_none(), "{code:?}");
            assert_eq!(Refusal::of_one(Some(code)).kind(), ErrorKind::Malformed);
        }
    }
}
