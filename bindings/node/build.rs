//! Tells the linker that Node itself has the symbols of Node-API.

fn main() {
    napi_build::setup();
}
