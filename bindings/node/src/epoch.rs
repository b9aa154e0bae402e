//! The engine's epoch where JavaScript reads it without a call: memory that both see.

#![allow(unsafe_code, reason = "a buffer over memory of the engine")]

use std::{
    ffi::c_void,
    ptr,
    sync::{Arc, atomic::AtomicU32},
};

use napi::{
    Env,
    bindgen_prelude::{FromNapiValue as _, Unknown},
    sys,
};

/// An `ArrayBuffer` of the four bytes of `epoch`, which lives as long as the buffer does.
///
/// `None` where the runtime takes no memory but its own (Electron, with V8's sandbox): a copy would never change.
pub(crate) fn buffer_over(env: Env, epoch: &Arc<AtomicU32>) -> Option<Unknown<'static>> {
    let memory = Arc::into_raw(Arc::clone(epoch));
    let mut buffer = ptr::null_mut();
    // SAFETY: the memory stays valid until `let_go` is called, which gives the reference back that was taken above. The
    // engine writes it atomically, and the package reads it by `Atomics.load` alone.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            memory.cast_mut().cast(),
            size_of::<AtomicU32>(),
            Some(let_go),
            memory.cast_mut().cast(),
            &raw mut buffer,
        )
    };
    if status == sys::Status::napi_ok {
        // SAFETY: the value was just made in this environment.
        return unsafe { Unknown::from_napi_value(env.raw(), buffer) }.ok();
    }
    // SAFETY: the runtime refused the memory, so the reference is still ours.
    drop(unsafe { Arc::from_raw(memory) });
    None
}

/// The buffer is gone.
unsafe extern "C" fn let_go(_: sys::napi_env, _: *mut c_void, memory: *mut c_void) {
    // SAFETY: it is the pointer of `buffer_over`, and a finalizer runs once.
    drop(unsafe { Arc::from_raw(memory.cast::<AtomicU32>().cast_const()) });
}
