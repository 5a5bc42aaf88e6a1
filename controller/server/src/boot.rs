//! The boot server, as the configuration wants it.

use crate::config::Config;
use crate::controller::Controller;
use crate::digest::sha256_hex;
use crate::netboot::{Common, NetBoot};
use crate::ramdisk;
use anyhow::Context as _;
use hostler_pxe::{BootServer, BootSource, Catalogue, Settings};
use std::sync::Arc;
use std::time::Duration;

/// Binds its sockets.
pub(crate) async fn bind(controller: &Controller, source: Arc<dyn BootSource>) -> anyhow::Result<BootServer> {
    let config = &controller.config;
    // Machines of the other architectures boot all the same.
    for problem in ramdisk::problems(&config.path(&config.boot.files)) {
        tracing::error!("{problem}");
    }
    let catalogue = catalogue(config)?.images(controller.images.served()).ca(controller
        .authority
        .load()
        .pem()
        .as_bytes()
        .to_vec());
    Ok(BootServer::bind(settings(config), catalogue, source).await?)
}

/// What the boot server asks.
pub(crate) fn source(controller: &Controller) -> NetBoot {
    let config = &controller.config;
    let mut args = config.boot.kernel_args.clone();
    args.push(format!("hostler.ca={}", config.boot_url("ca.pem")));
    args.push(format!("hostler.ca_sha256={}", sha256_hex(controller.authority.load().pem().as_bytes())));
    let (console, boot) = (config.boot.console.clone(), &config.boot);
    let common = Common { args, console, netmask: boot.netmask, router: boot.router };
    NetBoot::new(controller, common)
}

/// Loaders, kernels and ramdisks.
pub(crate) fn catalogue(config: &Config) -> anyhow::Result<Catalogue> {
    let files = config.path(&config.boot.files);
    Catalogue::new()
        .directory(&files)
        .with_context(|| format!("cannot read the boot files in {}", files.display()))
}

/// Where it listens and what it tells machines.
pub(crate) fn settings(config: &Config) -> Settings {
    let boot = &config.boot;
    let mut settings = Settings::new(boot.server);
    settings.dhcp = boot.dhcp;
    settings.dhcp_interface.clone_from(&boot.interface);
    if let Some(tftp) = boot.tftp {
        settings.tftp = vec![tftp];
    }
    if let Some(http) = boot.http {
        settings.http = http;
    }
    settings.http_url = Some(config.boot_url("").trim_end_matches('/').to_owned());
    settings.netmask = boot.netmask;
    settings.router = boot.router;
    settings.dns.clone_from(&boot.dns);
    settings.retry = Duration::from_secs(boot.retry_s);
    settings
}
