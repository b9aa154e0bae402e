//! Options of JavaScript as settings of the engine.

use modelmesh_secrets::config::Given;
use napi::bindgen_prelude::{Array, Either5, Object};

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

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared with what it was")]
fn of_number(number: f64) -> Given {
    let whole = number as i64;
    if whole as f64 == number && number.abs() < 2f64.powi(53) { Given::Integer(whole) } else { Given::Number(number) }
}
