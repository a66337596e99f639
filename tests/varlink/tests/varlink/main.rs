//! The control socket of real daemons, driven by two Varlink clients that are not ours: zlink, and the
//! varlink package of Python. Each calls every method and meets every error that the interface
//! description has; the description itself is read by both, and every item of it is documented.

mod clients;
mod described;
mod driven;

use clients::{Client, python, skip, zlink};
use driven::{errors, methods};

#[test]
fn zlink_drives_every_method() {
    methods(&zlink());
}

#[test]
fn zlink_meets_every_error() {
    errors(&zlink());
}

#[test]
fn the_varlink_package_drives_every_method() {
    if let Some(client) = with_python("the_varlink_package_drives_every_method") {
        methods(&client);
    }
}

#[test]
fn the_varlink_package_meets_every_error() {
    if let Some(client) = with_python("the_varlink_package_meets_every_error") {
        errors(&client);
    }
}

fn with_python(name: &str) -> Option<Client> {
    python().map_err(|why| skip(name, why)).ok()
}
