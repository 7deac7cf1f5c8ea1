//! The interpreter's short ways (crates/vm/patch/lfast.h) do what the ways of published Lua do.
//!
//! Random programs are run with and without hooks, in one process: while a hook is set, nothing short is taken.

use std::process::Command;

use skynet_tests::skynet;

#[test]
fn random_programs_with_and_without_hooks() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/lua/interpreter/shortways.lua");
    let mut command = Command::new(skynet());
    let output = command.args(["lua", script, "1", "1500"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(said, "1500 programs\n", "{errors}");
}
