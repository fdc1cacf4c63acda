//! rota
fn main() {}
