//! What `bossctl` does: [`args`] reads the command line, [`verbs`] asks the daemon, [`render`]
//! turns its answer into text, [`exit`] into an exit code. Certificates are made in [`ca`], which
//! needs no daemon; [`playground`] brings its own. bossctl never reads cluster.toml and decides
//! nothing about the cluster.
#![forbid(unsafe_code)]

pub mod args;
pub mod bundle;
pub mod ca;
pub mod exit;
pub mod playground;
pub mod render;
pub mod verbs;

use args::{Args, Verb};
use exit::{Exit, Failure};

/// Does what the command line says and tells the user how it went.
pub fn run(args: &Args) -> Exit {
    match dispatch(args) {
        Ok(exit) => exit,
        Err(failure) => failure.show(),
    }
}

fn dispatch(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Status(status) => verbs::status::status(&args.daemon(), status),
        Verb::Explain(explain) => verbs::tell::explain(&args.daemon(), explain),
        Verb::History(history) => verbs::tell::history(&args.daemon(), history),
        Verb::Wait(wait) => verbs::condition::wait(&args.daemon(), wait),
        Verb::Assert(assert) => verbs::condition::assert(&args.daemon(), assert),
        Verb::Drain(drain) => verbs::change::drain(&args.daemon(), drain),
        Verb::Undrain(undrain) => verbs::change::undrain(&args.daemon(), undrain),
        Verb::Pause(pause) => verbs::change::pause(&args.daemon(), pause),
        Verb::Resume => verbs::change::resume(&args.daemon()),
        Verb::Clear(clear) => verbs::change::clear(&args.daemon(), clear),
        Verb::Resign(resign) => verbs::change::resign(&args.daemon(), resign.force, &resign.how),
        Verb::ForceResign(resign) => verbs::change::resign(&args.daemon(), true, &resign.how),
        Verb::Switchover(switchover) => verbs::change::switchover(&args.daemon(), switchover),
        Verb::Apply(apply) => verbs::apply::apply(&args.daemon(), apply),
        Verb::ConfirmDead(dead) => verbs::confirm::confirm_dead(&args.daemon(), dead),
        Verb::Hooks(args::Hooks::List(list)) => verbs::tell::hooks(&args.daemon(), list),
        Verb::Hooks(args::Hooks::Run(run)) => verbs::tell::plan(&args.daemon(), run),
        Verb::Config(args::Config::Check(check)) => verbs::config::check(check),
        Verb::Reload(reload) => verbs::reload::reload(&args.daemon(), reload),
        Verb::Ca(ca) => verbs::ca::ca(ca),
        Verb::InstallBundle(install) => verbs::install::install(install),
        Verb::Playground(args) => playground::playground(args),
        Verb::Completions(completions) => verbs::completions::completions(completions),
        Verb::Version => verbs::version(),
    }
}
