//! What a payload finds in its environment.

use crate::machine::Machine;
use hostler_proto::agent::v1::StartRun;
use std::collections::BTreeMap;
use std::io;

/// The machine's own, then what the controller sends, then what only the agent knows:
///
/// * `HOSTLER_NODE`: name of this node;
/// * `HOSTLER_RUN`: number of this run;
/// * `HOSTLER_DISKS`: paths of the local disks, with a space between two.
pub(crate) async fn compose(
    machine: &dyn Machine,
    node: &str,
    start: &StartRun,
) -> io::Result<BTreeMap<String, String>> {
    let disks = machine.disks().await?;
    let local = disks.iter().filter(|disk| !disk.remote);
    let paths: Vec<&str> = local.map(|disk| disk.path.as_str()).collect();
    let mut environment: BTreeMap<_, _> = machine.environment().into_iter().collect();
    environment.extend(start.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment.insert("HOSTLER_NODE".to_owned(), node.to_owned());
    environment.insert("HOSTLER_RUN".to_owned(), start.run_id.to_string());
    environment.insert("HOSTLER_DISKS".to_owned(), paths.join(" "));
    Ok(environment)
}
