//! The interface through which the machine was booted.

use super::super::{line, names};
use super::search::Search;
use crate::params::Network;
use hostler_sys::net::Interfaces;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the interface may take to appear when the drivers of all that is there are loaded.
const APPEARS: Duration = Duration::from_secs(30);

/// How long it is waited for while drivers are being loaded: one that hangs must not keep the console silent.
const LOADING: Duration = Duration::from_secs(300);

/// How long a switch may take to speak, spanning tree included.
const CARRIER: Duration = Duration::from_secs(60);

/// How often `/sys` is looked at meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// First octets of the class of a PCI device that is a network controller.
const PCI_NETWORK: &str = "0x02";

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No driver, or another machine.
    #[error("no network interface has the MAC address {mac} after {seconds} s; {found}")]
    NoSuchInterface {
        /// What was looked for.
        mac: String,
        /// How long.
        seconds: u64,
        /// What there is instead.
        found: String,
    },
    /// The kernel would not.
    #[error("cannot {action}")]
    Configure {
        /// What was tried.
        action: String,
        /// What came back.
        #[source]
        source: io::Error,
    },
}

/// Switches on the loopback and the interface of that MAC, gives it its address and the default route.
/// Meanwhile drivers may be loaded.
pub(super) fn bring_up(network: &Network, drivers: &Search) -> Result<(), NetworkError> {
    let Network { mac, address, prefix, gateway } = network;
    let mac = mac.to_string();
    let failed = |action: String| move |source| NetworkError::Configure { action, source };
    let interfaces = Interfaces::open().map_err(failed("open a socket".to_owned()))?;
    interfaces.set_up("lo").map_err(failed("switch on lo".to_owned()))?;
    let name = wait_for_interface(&mac, drivers)?;
    interfaces.set_up(&name).map_err(failed(format!("switch on {name}")))?;
    interfaces
        .set_address(&name, *address, *prefix)
        .map_err(failed(format!("give {name} the address {address}/{prefix}")))?;
    if !wait_for(CARRIER, || carrier(&name)) {
        tracing::warn!("{name} has no carrier after {} s; goes on", CARRIER.as_secs());
    }
    if let Some(gateway) = gateway {
        interfaces
            .add_default_route(&name, *gateway)
            .map_err(failed(format!("make {gateway} the default route of {name}")))?;
    }
    tracing::info!("{name} ({mac}) has the address {address}/{prefix}");
    Ok(())
}

fn wait_for_interface(mac: &str, drivers: &Search) -> Result<String, NetworkError> {
    let began = Instant::now();
    let mut patience = Patience::default();
    loop {
        if let Some(found) = interface(Path::new("/"), mac) {
            return Ok(found);
        }
        // A search that has failed loads nothing any more either.
        let loading = drivers.wait(POLL) == Ok(false);
        if patience.is_over(began.elapsed(), loading) {
            let (seconds, found) = (began.elapsed().as_secs(), describe(Path::new("/")));
            return Err(NetworkError::NoSuchInterface { mac: mac.to_owned(), seconds, found });
        }
        if !loading {
            std::thread::sleep(POLL);
        }
    }
}

/// How long to wait for the interface: its time runs from when the drivers are loaded.
#[derive(Debug, Default)]
struct Patience {
    loaded: Option<Duration>,
}

impl Patience {
    fn is_over(&mut self, waited: Duration, loading: bool) -> bool {
        if loading {
            return waited >= LOADING;
        }
        waited.saturating_sub(*self.loaded.get_or_insert(waited)) >= APPEARS
    }
}

/// True as soon as it is; false if it is not in that time.
fn wait_for(bound: Duration, mut is: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !is() {
        if began.elapsed() >= bound {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// The hardware interface that has this address; bridges and the like repeat those of others.
fn interface(root: &Path, mac: &str) -> Option<String> {
    let net = root.join("sys/class/net");
    let of_device = |name: &String| net.join(name).join("device").exists();
    names(&net).into_iter().filter(of_device).find(|name| line(net.join(name).join("address")) == mac)
}

fn carrier(name: &str) -> bool {
    line(Path::new("/sys/class/net").join(name).join("carrier")) == "1"
}

/// What there is, for whoever has to find out why it is not what was expected.
fn describe(root: &Path) -> String {
    let net = root.join("sys/class/net");
    let interfaces: Vec<String> = names(&net)
        .into_iter()
        .filter(|name| net.join(name).join("device").exists())
        .map(|name| format!("{name} ({})", line(net.join(&name).join("address"))))
        .collect();
    let pci = root.join("sys/bus/pci/devices");
    let without_driver: Vec<String> = names(&pci)
        .into_iter()
        .filter(|slot| line(pci.join(slot).join("class")).starts_with(PCI_NETWORK))
        .filter(|slot| !pci.join(slot).join("driver").exists())
        .map(|slot| {
            let part = |file: &str| line(pci.join(&slot).join(file)).trim_start_matches("0x").to_owned();
            format!("{slot} ({}:{})", part("vendor"), part("device"))
        })
        .collect();
    let mut text = match interfaces.as_slice() {
        [] => "there is no interface: this is a ramdisk without drivers for them".to_owned(),
        list => format!("there are {}", list.join(", ")),
    };
    if !without_driver.is_empty() {
        text.push_str(&format!("; without a driver are {}", without_driver.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_time_of_the_interface_does_not_run_while_drivers_are_loaded() {
        let over = |loaded_after: Option<u64>| {
            let mut patience = Patience::default();
            (0..1000).find(|&second| {
                let loading = loaded_after.is_none_or(|loaded| second < loaded);
                patience.is_over(Duration::from_secs(second), loading)
            })
        };
        assert_eq!([Some(0), Some(100), None].map(over), [Some(30), Some(130), Some(300)]);
    }

    #[test]
    fn the_interface_is_found_by_its_address() {
        let root = tree(&[
            ("sys/class/net/br0/address", "52:54:00:00:00:02\n"),
            ("sys/class/net/eth0/address", "52:54:00:00:00:01\n"),
            ("sys/class/net/eth0/device/vendor", "x\n"),
            ("sys/class/net/eth1/address", "52:54:00:00:00:02\n"),
            ("sys/class/net/eth1/device/vendor", "x\n"),
        ]);
        assert_eq!(interface(root.path(), "52:54:00:00:00:02").as_deref(), Some("eth1"));
        assert_eq!(interface(root.path(), "52:54:00:00:00:03"), None);
        assert_eq!(describe(root.path()), "there are eth0 (52:54:00:00:00:01), eth1 (52:54:00:00:00:02)");
    }

    #[test]
    fn a_ramdisk_without_drivers_is_called_one() {
        let root = tree(&[
            ("sys/bus/pci/devices/0000:00:03.0/class", "0x020000\n"),
            ("sys/bus/pci/devices/0000:00:03.0/vendor", "0x8086\n"),
            ("sys/bus/pci/devices/0000:00:03.0/device", "0x1572\n"),
            ("sys/bus/pci/devices/0000:00:04.0/class", "0x020000\n"),
            ("sys/bus/pci/devices/0000:00:04.0/driver/x", ""),
            ("sys/bus/pci/devices/0000:00:05.0/class", "0x010000\n"),
        ]);
        let expected = "there is no interface: this is a ramdisk without drivers for them; \
                        without a driver are 0000:00:03.0 (8086:1572)";
        assert_eq!(describe(root.path()), expected);
    }
}
