//! How the programs are linked: nothing is generated here.

#![expect(clippy::disallowed_methods, reason = "Cargo says by the environment what is built")]

/// Released programs for Linux with glibc are linked at fixed addresses. A hundred thousand pointers
/// in tables need not be written anew at each start then: that halves the time to start, and spares
/// every process four megabytes. What the system maps besides (stack, heap, libraries) is at random
/// addresses all the same; docs/operations.md says how to have the program itself so, too.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ROTA_PIE");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let is_linux = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is_linux && is("PROFILE", "release") && !is("ROTA_PIE", "1") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
