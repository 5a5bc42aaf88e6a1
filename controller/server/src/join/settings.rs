//! The settings that all controllers of one database have alike, as they travel to one that joins.

use crate::config::Config;
use anyhow::Context as _;
use std::net::{Ipv4Addr, SocketAddr};
use toml::{Table, Value};

/// Settings that are each controller's own.
const OWN: [&str; 7] =
    ["boot.server", "boot.dhcp", "boot.tftp", "boot.http", "boot.interface", "boot.files", "store"];

/// What a controller that joins has to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    pub(super) name: &'a str,
    pub(super) listen: SocketAddr,
    pub(super) url: &'a str,
    pub(super) boot_server: Ipv4Addr,
}

/// All settings but those of the API and the keys, as TOML.
///
/// # Errors
/// If the password is wanted, and is not in the configuration.
pub(crate) fn shared(config: &Config, with_password: bool) -> anyhow::Result<String> {
    let mut all = Table::try_from(config).context("the settings cannot be written")?;
    all.remove("api");
    all.remove("keys");
    let urls =
        [("url", config.store_url(with_password)?), ("artefacts", config.artefacts_url().map(Into::into))];
    if let Some(Value::Table(store)) = all.get_mut("store") {
        store.extend(urls.into_iter().filter_map(|(key, url)| Some((key.to_owned(), url?.into()))));
    }
    Ok(toml::to_string(&all)?)
}

/// The configuration of a controller that joins. The boot server is where that of the other one is, at an address of its
/// own.
///
/// # Errors
/// If that makes no configuration.
pub(super) fn configuration(shared: &str, own: Own<'_>, from: &str) -> anyhow::Result<String> {
    let mut all: Table = shared.parse().context("the settings are no TOML")?;
    let boot = all.get_mut("boot").and_then(Value::as_table_mut).context("the settings have no [boot]")?;
    let theirs = boot.get("server").cloned();
    let server = theirs.as_ref().and_then(Value::as_str).and_then(|text| text.parse::<Ipv4Addr>().ok());
    boot.insert("server".to_owned(), own.boot_server.to_string().into());
    // Whether this host has an interface of that name is not known.
    boot.remove("interface");
    for service in ["dhcp", "tftp", "http"] {
        let address =
            boot.get(service).and_then(Value::as_str).and_then(|text| text.parse::<SocketAddr>().ok());
        match address {
            Some(address) if server.is_some_and(|server| address.ip() == server) => {
                let ours = SocketAddr::from((own.boot_server, address.port()));
                boot.insert(service.to_owned(), ours.to_string().into());
            }
            Some(address) if address.ip().is_unspecified() => {}
            _ => drop(boot.remove(service)),
        }
    }
    let api = [("name", own.name), ("listen", &own.listen.to_string()), ("url", own.url)];
    let api: Table = api.into_iter().map(|(key, text)| (key.to_owned(), text.into())).collect();
    let api = toml::to_string(&Table::from_iter([("api".to_owned(), Value::Table(api))]))?;
    Ok(format!(
        "# Process settings of hostlerd, as {from} had them when this controller joined. They are the same on all\n\
         # controllers, but for [api], the addresses in [boot], and paths: see docs/controllers.md.\n\n{api}\n{all}"
    ))
}

/// What is different in a configuration that is there already, a line for each.
///
/// # Errors
/// If it cannot be compared.
pub(super) fn differences(shared: &str, ours: &Config) -> anyhow::Result<Vec<String>> {
    let theirs: Table = shared.parse().context("the settings are no TOML")?;
    let ours = Table::try_from(ours).context("the settings cannot be read")?;
    let mut found = Vec::new();
    for (section, value) in &theirs {
        compare(section, Some(value), ours.get(section), &mut found);
    }
    Ok(found)
}

fn compare(path: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<String>) {
    if OWN.contains(&path) || theirs == ours {
        return;
    }
    if let (Some(Value::Table(theirs)), Some(Value::Table(ours))) = (theirs, ours) {
        let missing = ours.keys().filter(|key| !theirs.contains_key(*key));
        for key in theirs.keys().chain(missing) {
            compare(&format!("{path}.{key}"), theirs.get(key), ours.get(key), found);
        }
        return;
    }
    let shown = |value: Option<&Value>| value.map_or("not set".to_owned(), Value::to_string);
    found.push(format!("{path} is {} here and {} there", shown(ours), shown(theirs)));
}

/// The URL of the store in settings, without its password.
pub(super) fn store(shared: &str) -> Option<String> {
    let all: Table = shared.parse().ok()?;
    all.get("store")?.get("url")?.as_str().map(|url| hostler_store::without_password(url).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const LEADER: &str = r#"[api]
name = "lab-a"
listen = "10.0.0.1:7443"
url = "https://10.0.0.1:7443"
[store]
url = "postgres://ada:s3cret@10.0.0.9/lab?sslmode=disable"
artefacts = "s3://lab/ci?region=eu"
[boot]
server = "10.0.0.1"
http = "10.0.0.1:8080"
tftp = "10.1.1.1:69"
interface = "eth7"
kernel_args = ["quiet"]
[timing]
firmware_ms = 1234
"#;

    fn leader() -> Config {
        Config::parse(LEADER, Path::new("/etc/hostler/hostlerd.toml")).unwrap()
    }

    fn own() -> Own<'static> {
        let (listen, boot_server) = ("10.0.0.2:7443".parse().unwrap(), Ipv4Addr::new(10, 0, 0, 2));
        Own { name: "lab-b", listen, url: "https://10.0.0.2:7443", boot_server }
    }

    #[test]
    fn a_controller_that_joins_has_the_settings_of_the_leader_at_its_own_addresses() {
        let text = configuration(&shared(&leader(), false).unwrap(), own(), "lab-a").unwrap();
        let joined = Config::parse(&text, Path::new("/etc/hostler/hostlerd.toml")).unwrap();
        assert_eq!(joined.name(), "lab-b");
        assert_eq!(joined.api.url, "https://10.0.0.2:7443");
        assert_eq!(joined.boot.server, Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(joined.boot.http, Some("10.0.0.2:8080".parse().unwrap()));
        assert_eq!((joined.boot.tftp, joined.boot.interface.as_deref()), (None, None));
        assert_eq!(joined.boot.dhcp, "0.0.0.0:67".parse().unwrap());
        assert_eq!((joined.boot.kernel_args.len(), joined.timing.firmware_ms), (1, 1234));
        assert_eq!(joined.store().unwrap().to_string(), "postgres://ada@10.0.0.9:5432/lab");
        assert_eq!(joined.artefacts_url(), Some("s3://lab/ci?region=eu"));
        assert_eq!(differences(&shared(&leader(), false).unwrap(), &joined).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn invariant_9_the_password_of_the_store_goes_along_only_if_that_is_wanted() {
        let without = shared(&leader(), false).unwrap();
        assert!(!without.contains("s3cret"), "{without}");
        let with = shared(&leader(), true).unwrap();
        assert!(with.contains("ada:s3cret@"), "{with}");
        assert_eq!(store(&with).unwrap(), "postgres://ada@10.0.0.9/lab?sslmode=disable");
        let elsewhere = LEADER.replace("ada:s3cret@", "ada@");
        let elsewhere = Config::parse(&elsewhere, Path::new("/etc/hostler/hostlerd.toml")).unwrap();
        let told = shared(&elsewhere, true).unwrap_err().to_string();
        assert!(told.contains("there is no password in store.url"), "{told}");
    }

    #[test]
    fn what_is_different_is_named() {
        let ours = LEADER.replace("1234", "99").replace("10.0.0.1", "10.0.0.2").replace("[\"quiet\"]", "[]");
        let ours = Config::parse(&ours, Path::new("/etc/hostler/hostlerd.toml")).unwrap();
        let found = differences(&shared(&leader(), false).unwrap(), &ours).unwrap();
        let expected = [
            "boot.kernel_args is [] here and [\"quiet\"] there",
            "timing.firmware_ms is 99 here and 1234 there",
        ];
        assert_eq!(found, expected);
    }
}
