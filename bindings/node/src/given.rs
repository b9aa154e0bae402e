//! Options of JavaScript as settings of the engine, and settings of a file as options of JavaScript.

use modelmesh_secrets::{ExposeSecret as _, config::Given};
use napi::{
    bindgen_prelude::{Array, Either5, Null, Object, ToNapiValue},
    sys,
};

/// A setting as JavaScript gives it. A mapping is `{ keys, values }`: no name of a property is special then.
pub(crate) type Js<'a> = Either5<bool, f64, String, Array<'a>, Object<'a>>;

/// The settings of a mapping.
pub(crate) fn settings(given: &Object<'_>) -> napi::Result<Vec<(String, Given)>> {
    let keys: Vec<String> = required(given.get("keys")?)?;
    let values: Array<'_> = required(given.get("values")?)?;
    keys.into_iter().enumerate().map(|(at, key)| Ok((key, element(&values, at)?))).collect()
}

fn given(value: Js<'_>) -> napi::Result<Given> {
    Ok(match value {
        Either5::A(value) => Given::Boolean(value),
        Either5::B(number) => of_number(number),
        Either5::C(text) => Given::Text(text.into()),
        Either5::D(list) => {
            Given::List((0..list.len() as usize).map(|at| element(&list, at)).collect::<napi::Result<_>>()?)
        }
        Either5::E(map) => Given::Map(settings(&map)?),
    })
}

fn element(array: &Array<'_>, at: usize) -> napi::Result<Given> {
    let at = u32::try_from(at).map_err(|_| napi::Error::from_reason("too many settings"))?;
    given(required(array.get(at)?)?)
}

fn required<T>(value: Option<T>) -> napi::Result<T> {
    value.ok_or_else(|| napi::Error::from_reason("a setting has no value"))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "a whole number is one that the way to an integer and back does not change"
)]
fn of_number(number: f64) -> Given {
    let whole = number as i64;
    if whole as f64 == number && number.abs() < 2f64.powi(53) {
        Given::Integer(whole)
    } else {
        Given::Number(number)
    }
}

/// Settings on their way to JavaScript: `{ keys, values }`.
pub struct GivenMap(pub(crate) Vec<(String, Given)>);

struct GivenValue(Given);

#[allow(unsafe_code, reason = "the trait's own signature")]
impl ToNapiValue for GivenMap {
    unsafe fn to_napi_value(env: sys::napi_env, map: Self) -> napi::Result<sys::napi_value> {
        let (keys, values): (Vec<String>, Vec<GivenValue>) =
            map.0.into_iter().map(|(key, value)| (key, GivenValue(value))).unzip();
        let mut object = Object::new(&napi::Env::from_raw(env))?;
        object.set("keys", keys)?;
        object.set("values", values)?;
        // SAFETY: it is given the environment that this was given.
        unsafe { Object::to_napi_value(env, object) }
    }
}

#[allow(unsafe_code, reason = "the trait's own signature")]
impl ToNapiValue for GivenValue {
    #[allow(clippy::cast_precision_loss, reason = "JavaScript has no other numbers")]
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        // SAFETY: each is given the environment that this was given.
        unsafe {
            match value.0 {
                Given::Text(text) => <&str>::to_napi_value(env, text.expose_secret()),
                Given::Integer(number) => f64::to_napi_value(env, number as f64),
                Given::Number(number) => f64::to_napi_value(env, number),
                Given::Boolean(value) => bool::to_napi_value(env, value),
                Given::List(items) => Vec::to_napi_value(env, items.into_iter().map(GivenValue).collect()),
                Given::Map(entries) => GivenMap::to_napi_value(env, GivenMap(entries)),
                // Of a kind that is not known here, too.
                _ => Null::to_napi_value(env, Null),
            }
        }
    }
}
