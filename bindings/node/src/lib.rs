//! The native part of the npm package `modelmesh`: the engine, as the hand-written TypeScript beside it calls it.
//!
//! It converts arguments, answers and kinds of errors, and holds no other logic.
//!
//! - **Nothing throws.** A call returns what came of it; a [`failure::Failure`] is an object, of which the package makes
//!   an error whose stack is that of the caller.
//! - **One method for both forms.** What may wait returns a [`work::Work`], which the package either waits for or
//!   makes a promise of.
//! - **Hooks run in JavaScript's own thread**: see [`host`].

mod environment;
mod epoch;
mod failure;
mod generation;
mod given;
mod grammar;
mod hook;
mod host;
mod resolver;
mod store;
mod value;
mod watch;
mod work;
