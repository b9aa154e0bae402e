#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| modelmesh_invariants::encrypted_file(data));
