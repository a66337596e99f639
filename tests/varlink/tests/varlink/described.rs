//! The interface description, as zlink's parser reads it: what it has, and that each item of it says
//! what it means.

use std::collections::BTreeSet;

use control::interface::{INTERFACE, SERVICE, description};
use zlink::idl::{Comment, CustomType, Interface};

fn read(name: &str) -> Interface<'static> {
    let text = description(name).expect("described");
    Interface::try_from(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The full names of the methods.
pub(crate) fn methods() -> BTreeSet<String> {
    let interface = read(INTERFACE);
    interface.methods().map(|method| format!("{INTERFACE}.{}", method.name())).collect()
}

/// The full names of the errors.
pub(crate) fn errors() -> BTreeSet<String> {
    let interface = read(INTERFACE);
    interface.errors().map(|error| format!("{INTERFACE}.{}", error.name())).collect()
}

/// Counts the items, and those that nobody has described.
#[derive(Default)]
struct Census {
    items: usize,
    silent: Vec<String>,
}

impl Census {
    fn item<'a>(&mut self, name: String, comments: impl Iterator<Item = &'a Comment<'a>>) {
        self.items += 1;
        let words: usize = comments.map(|comment| comment.text().split_whitespace().count()).sum();
        if words == 0 {
            self.silent.push(name);
        }
    }
}

fn census(text: &str) -> Census {
    let interface = Interface::try_from(text).expect("an interface");
    let mut census = Census::default();
    census.item("interface".to_owned(), interface.comments());
    for kind in interface.custom_types() {
        let name = kind.name();
        match kind {
            CustomType::Object(object) => {
                census.item(format!("type {name}"), object.comments());
                for field in object.fields() {
                    census.item(format!("{name}.{}", field.name()), field.comments());
                }
            }
            CustomType::Enum(words) => {
                census.item(format!("type {name}"), words.comments());
                for word in words.variants() {
                    census.item(format!("{name}.{}", word.name()), word.comments());
                }
            }
        }
    }
    for method in interface.methods() {
        let name = method.name();
        census.item(format!("method {name}"), method.comments());
        for parameter in method.inputs().chain(method.outputs()) {
            census.item(format!("{name}.{}", parameter.name()), parameter.comments());
        }
    }
    for error in interface.errors() {
        let name = error.name();
        census.item(format!("error {name}"), error.comments());
        for field in error.fields() {
            census.item(format!("{name}.{}", field.name()), field.comments());
        }
    }
    census
}

#[test]
fn every_item_of_the_description_is_documented() {
    for name in [INTERFACE, SERVICE] {
        let census = census(description(name).expect("described"));
        assert!(census.silent.is_empty(), "{name}: not documented: {:?}", census.silent);
        assert!(census.items > 10, "{name}: {} items", census.items);
    }
}

#[test]
fn an_item_that_is_not_documented_is_found() {
    let text = "# All of it.\ninterface a.b\n# A type.\ntype Kind (\n  # One.\n  one,\n  two\n)\n\
                # A thing.\ntype Thing (\n  kind: Kind\n)\nmethod Do(\n  # What.\n  what: string\n) \
                -> (done: bool)\n# Wrong.\nerror No (why: string)\n";
    let silent = census(text).silent;
    assert_eq!(silent, ["Kind.two", "Thing.kind", "method Do", "Do.done", "No.why"]);
}

#[test]
fn no_name_is_given_twice() {
    for name in [INTERFACE, SERVICE] {
        let interface = read(name);
        let methods = interface.methods().map(|method| method.name().to_string());
        let types = interface.custom_types().map(|kind| kind.name().to_string());
        let errors = interface.errors().map(|error| error.name().to_string());
        let mut seen = BTreeSet::new();
        for name in methods.chain(types).chain(errors) {
            assert!(seen.insert(name.clone()), "{name} is the name of two members");
        }
    }
}

#[test]
fn the_description_has_what_the_programs_name() {
    let named = [
        control::interface::GET_STATUS,
        control::interface::EXPLAIN,
        control::interface::GET_HISTORY,
        control::interface::GET_HOOKS,
        control::interface::PLAN_HOOKS,
        control::interface::PREVIEW_ORDER,
        control::interface::DRAIN,
        control::interface::UNDRAIN,
        control::interface::PAUSE,
        control::interface::RESUME,
        control::interface::CLEAR,
        control::interface::RESIGN,
        control::interface::SWITCHOVER,
        control::interface::CONFIRM_DEAD,
        control::interface::COMPARE,
        control::interface::APPLY,
        control::interface::RELOAD,
    ];
    let missing: Vec<_> = named.iter().filter(|name| !methods().contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let kinds = control::interface::RefusalKind::ALL;
    let kinds: BTreeSet<_> =
        kinds.iter().map(|kind| format!("{INTERFACE}.{}", kind.name())).collect();
    assert_eq!(errors(), kinds);
}
