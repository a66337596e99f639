//! One call over the control socket with zlink: told by a JSON document on standard input, answered
//! with one on standard output. Every method is one of a proxy that zlink makes of typed functions:
//! what is not typed as the interface has it does not come through.
#![forbid(unsafe_code)]

mod proxy;

use std::io;

use control::preview::OrderKind;
use nix::unistd::{Gid, Uid, setegid, seteuid, setgroups};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zlink::tokio::unix;
use zlink::varlink_service::Proxy;
use zlink::{Call, Connection};

use proxy::{ClusterError, ClusterProxy};

/// What is to be called.
#[derive(Deserialize)]
struct Job {
    socket: String,
    /// As which user, if not this one.
    uid: Option<u32>,
    /// The full name.
    method: String,
    parameters: Value,
    /// How many replies; more than one are asked for with `more`.
    replies: usize,
}

/// The parameters of all methods.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    node: Option<String>,
    event: Option<String>,
    order: Option<OrderKind>,
    reason: Option<String>,
    force: Option<bool>,
    for_s: Option<i64>,
    to: Option<String>,
    again: Option<String>,
    file: Option<String>,
    text: Option<String>,
    wait: Option<bool>,
    interface: Option<String>,
}

fn main() {
    let job: Job = serde_json::from_reader(io::stdin()).expect("a job");
    if let Some(uid) = job.uid {
        // The socket's peer is whom the process is at the time of the connect.
        setgroups(&[]).expect("root may");
        setegid(Gid::from_raw(uid)).expect("root may");
        seteuid(Uid::from_raw(uid)).expect("root may");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let answer = runtime.expect("a runtime").block_on(carry_out(&job));
    println!("{}", answer.unwrap_or_else(|error| json!({ "failed": error.to_string() })));
}

async fn carry_out(job: &Job) -> zlink::Result<Value> {
    let mut connection = unix::connect(&job.socket).await?;
    if job.replies > 1 {
        return stream(&mut connection, job).await;
    }
    let wanted: Parameters = serde_json::from_value(job.parameters.clone())?;
    let Parameters {
        node,
        event,
        order,
        reason,
        force,
        for_s,
        to,
        again,
        file,
        text,
        wait,
        interface,
    } = wanted;
    let given = |text: Option<String>| text.expect("the test gives what the method needs");
    let (node_or_none, reason) = (node.as_deref(), reason.as_deref());
    match job.method.as_str() {
        "org.varlink.service.GetInfo" => {
            let info = connection.owned_get_info().await?.expect("it has no errors");
            Ok(replied(&json!({ "interfaces": info.interfaces.len(), "product": info.product })))
        }
        "org.varlink.service.GetInterfaceDescription" => {
            let name = given(interface);
            let name = name.as_str().try_into()?;
            let text = connection.get_interface_description(name).await?.expect("it is there");
            let parsed = text.parse()?;
            Ok(replied(&json!({ "methods": parsed.methods().count() })))
        }
        "io.boss.Cluster.GetStatus" => told(connection.get_status().await?),
        "io.boss.Cluster.Explain" => told(connection.explain(node_or_none).await?),
        "io.boss.Cluster.GetHistory" => told(connection.get_history().await?),
        "io.boss.Cluster.GetHooks" => told(connection.get_hooks().await?),
        "io.boss.Cluster.PlanHooks" => told(connection.plan_hooks(&given(event)).await?),
        "io.boss.Cluster.PreviewOrder" => {
            let order = order.expect("given");
            told(connection.preview_order(order, node_or_none, force).await?)
        }
        "io.boss.Cluster.Drain" => {
            told(connection.drain(node_or_none, reason, force, for_s).await?)
        }
        "io.boss.Cluster.Undrain" => told(connection.undrain(node_or_none).await?),
        "io.boss.Cluster.Pause" => told(connection.pause(reason, for_s).await?),
        "io.boss.Cluster.Resume" => told(connection.resume().await?),
        "io.boss.Cluster.Clear" => told(connection.clear(node_or_none).await?),
        "io.boss.Cluster.Resign" => told(connection.resign(force).await?),
        "io.boss.Cluster.Switchover" => told(connection.switchover(&given(to)).await?),
        "io.boss.Cluster.Compare" => told(connection.compare(&given(file), &given(text)).await?),
        "io.boss.Cluster.Apply" => told(connection.apply(&given(file), &given(text)).await?),
        "io.boss.Cluster.Reload" => told(connection.reload(wait).await?),
        "io.boss.Cluster.ConfirmDead" => {
            told(connection.confirm_dead(&given(node), &given(again)).await?)
        }
        other => Ok(json!({ "failed": format!("the proxy has no {other}") })),
    }
}

fn replied(reply: &Value) -> Value {
    json!({ "replies": [reply] })
}

/// What the proxy gave: a reply, or one of the interface's errors.
fn told<T: Serialize>(outcome: Result<T, ClusterError>) -> zlink::Result<Value> {
    match outcome {
        Ok(reply) => Ok(replied(&serde_json::to_value(reply)?)),
        Err(refused) => Ok(refused.told()),
    }
}

/// A method without parameters, asked for with `more`.
#[derive(Debug, Serialize)]
struct Bare<'a> {
    method: &'a str,
}

async fn stream(connection: &mut Connection<unix::Stream>, job: &Job) -> zlink::Result<Value> {
    let call = Call::new(Bare { method: &job.method }).set_more(true);
    connection.send_call(&call, vec![]).await?;
    let mut replies = Vec::new();
    while replies.len() < job.replies {
        let (reply, _) = connection.receive_reply::<Value, ClusterError>().await?;
        match reply {
            Err(refused) => return Ok(refused.told()),
            Ok(reply) => {
                let goes_on = reply.continues() == Some(true);
                replies.extend(reply.into_parameters());
                if !goes_on {
                    break;
                }
            }
        }
    }
    Ok(json!({ "replies": replies }))
}
