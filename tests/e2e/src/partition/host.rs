//! Network namespaces on one bridge.

use anyhow::{Context as _, bail, ensure};
use hostler_checkout::peers::peer;
use hostler_checkout::skip::skip;
use rustix::fd::AsFd as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

/// An Ethernet address that nobody has.
const NOBODY: &str = "02:00:00:00:00:fe";

/// The bridge, in a namespace of its own.
const HUB: &str = "hub";

/// Hosts of one test. Dropped, they are gone.
#[derive(Debug)]
pub struct Hosts {
    hub: String,
    hosts: Vec<Host>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    address: Ipv4Addr,
}

impl Hosts {
    /// Hosts of these names; none after the skip of `test` was recorded.
    ///
    /// # Errors
    /// If the system refuses something that it should not.
    ///
    /// # Panics
    /// With `CI=true`, if this process may not make any.
    pub fn new<const N: usize>(test: &str, names: [&str; N]) -> anyhow::Result<Option<Self>> {
        if peer(test, "ip").is_none() {
            return Ok(None);
        }
        if !rustix::process::geteuid().is_root() {
            skip(test, "network namespaces need root");
            return Ok(None);
        }
        let prefix = prefix();
        // From here on, what is made is taken down.
        let mut made = Self { hub: format!("{prefix}-{HUB}"), hosts: Vec::new() };
        if let Err(error) = ip(&["netns", "add", &made.hub]) {
            skip(test, &format!("no network namespace can be made: {error:#}"));
            return Ok(None);
        }
        ip(&["-n", &made.hub, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &made.hub, "link", "set", "br0", "up"])?;
        for (number, name) in (1..).zip(names) {
            let host =
                Host { namespace: format!("{prefix}-{name}"), address: Ipv4Addr::new(10, 213, 7, number) };
            ip(&["netns", "add", &host.namespace])?;
            made.hosts.push(host);
            made.plug_in(name)?;
        }
        Ok(Some(made))
    }

    /// The host of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn host(&self, name: &str) -> anyhow::Result<&Host> {
        let found = self.hosts.iter().find(|host| host.namespace.ends_with(&format!("-{name}")));
        found.with_context(|| format!("there is no host {name}"))
    }

    /// Nothing gets from either to the other any more, and nobody is told.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn cut(&self, one: &str, other: &str) -> anyhow::Result<()> {
        let cut = |from: &Host, to: &Host| {
            let to = to.address.to_string();
            from.ip(&["neigh", "replace", &to, "lladdr", NOBODY, "nud", "permanent", "dev", "eth0"])
        };
        let (one, other) = (self.host(one)?, self.host(other)?);
        cut(one, other)?;
        cut(other, one)
    }

    /// Everything gets there again.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn mend(&self, one: &str, other: &str) -> anyhow::Result<()> {
        let mend =
            |from: &Host, to: &Host| from.ip(&["neigh", "del", &to.address.to_string(), "dev", "eth0"]);
        let (one, other) = (self.host(one)?, self.host(other)?);
        mend(one, other)?;
        mend(other, one)
    }

    fn plug_in(&self, name: &str) -> anyhow::Result<()> {
        let (host, port) = (self.host(name)?, format!("to-{name}"));
        host.ip(&["link", "add", "eth0", "type", "veth", "peer", "name", &port, "netns", &self.hub])?;
        ip(&["-n", &self.hub, "link", "set", &port, "master", "br0", "up"])?;
        host.ip(&["addr", "add", &format!("{}/24", host.address), "dev", "eth0"])?;
        host.ip(&["link", "set", "eth0", "up"])?;
        host.ip(&["link", "set", "lo", "up"])
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for namespace in self.hosts.iter().map(|host| &host.namespace).chain([&self.hub]) {
            // Whoever still runs in it keeps it alive, and nothing else.
            let _ = ip(&["netns", "delete", namespace]);
        }
    }
}

impl Host {
    /// As `ip netns` knows it.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// At which it is reached.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Does something there, on a thread of its own. Sockets that are opened stay there.
    ///
    /// # Errors
    /// Those of `work`, or that one cannot get there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        let namespace = File::open(Path::new("/run/netns").join(&self.namespace))?;
        let moved = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        };
        let done = std::thread::scope(|scope| scope.spawn(moved).join());
        done.unwrap_or_else(|_| bail!("the thread in {} panicked", self.namespace))
    }

    fn ip(&self, words: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-n", &self.namespace], words].concat())
    }
}

/// No other test has it, in this process or another one.
fn prefix() -> String {
    static MADE: AtomicU8 = AtomicU8::new(0);
    format!("hostler-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

fn ip(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(words).output().context("cannot start ip")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", words.join(" "), told.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    /// What `to` hears when `from` says something.
    fn is_heard(from: &UdpSocket, to: &UdpSocket) -> bool {
        from.send_to(b"word", to.local_addr().unwrap()).unwrap();
        to.recv_from(&mut [0; 9]).is_ok()
    }

    #[test]
    fn a_way_is_cut_in_both_directions_and_no_other_one() {
        let test = "a_way_is_cut_in_both_directions_and_no_other_one";
        let Some(hosts) = Hosts::new(test, ["a", "b", "c"]).unwrap() else { return };
        let socket = |name: &str| {
            let host = hosts.host(name).unwrap();
            let socket = host.within(|| Ok(UdpSocket::bind((host.address(), 0))?)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            socket
        };
        let (a, b, c) = (socket("a"), socket("b"), socket("c"));
        assert!(is_heard(&a, &b) && is_heard(&b, &a) && is_heard(&a, &c));
        hosts.cut("a", "b").unwrap();
        assert!(!is_heard(&a, &b) && !is_heard(&b, &a));
        assert!(is_heard(&a, &c) && is_heard(&c, &b));
        hosts.mend("b", "a").unwrap();
        assert!(is_heard(&a, &b) && is_heard(&b, &a));
        let namespace = Path::new("/run/netns").join(hosts.host("a").unwrap().namespace());
        assert!(namespace.exists());
        drop(hosts);
        assert!(!namespace.exists());
    }
}
