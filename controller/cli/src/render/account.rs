//! Accounts: for people and as comma-separated values.

use super::look::Look;
use super::table::{Table, or_dash, plain};
use super::time::{span, stamp};
use crate::member::ARCHITECTURES;
use crate::model::account::{LeaseAccount, Period, TenantAccount, hours};
use std::fmt::Write as _;
use std::time::Duration;

/// One line for each tenant.
pub(crate) fn tenants(sums: &[TenantAccount], look: &Look) -> String {
    let titles = [
        "TENANT",
        "LEASES",
        "NODE-HOURS",
        "INSTALL",
        "USE",
        "HOLD",
        "CLEAN",
        "WAIT MEAN",
        "P95",
        "MAX",
        "INFRA",
    ];
    let mut table = Table::new(look, &titles).right(&[1, 3, 4, 5, 6, 7, 8, 9, 10]);
    for sum in sums {
        let by_arch: Vec<_> = sum.node_hours.iter().map(|(arch, h)| format!("{arch} {h:.1}")).collect();
        let share = |ms: u64| plain(format!("{:.1}", hours(ms)));
        table.row([
            plain(&sum.tenant),
            plain(sum.leases),
            or_dash((!by_arch.is_empty()).then(|| by_arch.join(" "))),
            share(sum.spent.install_ms),
            share(sum.spent.use_ms),
            share(sum.spent.hold_ms),
            share(sum.spent.clean_ms),
            or_dash(sum.waits.mean_ms.map(ms)),
            or_dash(sum.waits.p95_ms.map(ms)),
            or_dash(sum.waits.max_ms.map(ms)),
            plain(sum.ended_by_infrastructure),
        ]);
    }
    table.render()
}

/// One line for each lease.
pub(crate) fn leases(leases: &[LeaseAccount], period: Period, now_ms: u64, look: &Look) -> String {
    let titles = ["LEASE", "TENANT", "STATE", "MACHINES", "QUEUE", "INSTALL", "USE", "HOLD", "CLEAN", "END"];
    let mut table = Table::new(look, &titles).right(&[0, 4, 5, 6, 7, 8]);
    for lease in leases {
        let spent = lease.spent(period, now_ms);
        let machines: Vec<_> = lease.machines.iter().map(|(arch, count)| format!("{count}:{arch}")).collect();
        table.row([
            plain(lease.id),
            plain(&lease.tenant),
            plain(lease.state.as_str()),
            or_dash((!machines.is_empty()).then(|| machines.join(" "))),
            plain(ms(spent.queue_ms)),
            plain(ms(spent.install_ms)),
            plain(ms(spent.use_ms)),
            plain(ms(spent.hold_ms)),
            plain(ms(spent.clean_ms)),
            or_dash(lease.close_reason.map(|reason| reason.as_str())),
        ]);
    }
    table.render()
}

/// RFC 4180, with a line for each tenant.
pub(crate) fn tenants_csv(sums: &[TenantAccount]) -> String {
    let by_arch: String = ARCHITECTURES.iter().map(|arch| format!("{arch}_node_hours,")).collect();
    let mut text = format!(
        "tenant,leases,{by_arch}install_node_hours,use_node_hours,hold_node_hours,clean_node_hours,wait_mean_s,\
         wait_p95_s,wait_max_s,ended_by_infrastructure\r\n"
    );
    for sum in sums {
        let of = |arch: &&str| sum.node_hours.get(*arch).copied().unwrap_or_default();
        let by_arch: String = ARCHITECTURES.iter().map(|arch| format!("{:.4},", of(arch))).collect();
        let spent = [sum.spent.install_ms, sum.spent.use_ms, sum.spent.hold_ms, sum.spent.clean_ms];
        let spent: String = spent.into_iter().map(|ms| format!("{:.4},", hours(ms))).collect();
        let wait = |ms: Option<u64>| ms.map(|ms| (ms / 1000).to_string()).unwrap_or_default();
        let (mean, p95, max) = (wait(sum.waits.mean_ms), wait(sum.waits.p95_ms), wait(sum.waits.max_ms));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{},{},{by_arch}{spent}{mean},{p95},{max},{}\r\n",
            quoted(&sum.tenant),
            sum.leases,
            sum.ended_by_infrastructure
        );
    }
    text
}

/// RFC 4180, with a line for each lease.
pub(crate) fn leases_csv(leases: &[LeaseAccount], period: Period, now_ms: u64) -> String {
    let mut text =
        "lease,tenant,state,end,machines,requested,queue_s,install_s,use_s,hold_s,clean_s,purpose\r\n"
            .to_owned();
    for lease in leases {
        let spent = lease.spent(period, now_ms);
        let machines: Vec<_> = lease.machines.iter().map(|(arch, count)| format!("{count}:{arch}")).collect();
        let _ = write!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
            lease.id,
            quoted(&lease.tenant),
            lease.state.as_str(),
            lease.close_reason.map(|reason| reason.as_str()).unwrap_or_default(),
            machines.join(" "),
            stamp(lease.waits_from_ms),
            spent.queue_ms / 1000,
            spent.install_ms / 1000,
            spent.use_ms / 1000,
            spent.hold_ms / 1000,
            spent.clean_ms / 1000,
            quoted(lease.purpose.as_deref().unwrap_or_default()),
        );
    }
    text
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn ms(ms: u64) -> String {
    span(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::account::by_tenant;
    use crate::model::account::tests::{ALL, T, account};

    fn sample() -> Vec<LeaseAccount> {
        let waiting = LeaseAccount {
            machines: [].into(),
            assigned_ms: None,
            active_ms: None,
            purpose: Some("a \"b\", c".to_owned()),
            ..account(2, "kernel")
        };
        vec![account(1, "ci"), waiting]
    }

    #[test]
    fn for_people() {
        insta::assert_snapshot!(tenants(&by_tenant(&sample(), ALL, T), &Look::default()), @r"
        TENANT  LEASES  NODE-HOURS              INSTALL  USE  HOLD  CLEAN  WAIT MEAN      P95      MAX  INFRA
        ci           1  aarch64 1.2 x86_64 2.5      0.2  3.0   0.0    0.5    10m 00s  10m 00s  10m 00s      0
        kernel       1  -                           0.0  0.0   0.0    0.0          -        -        -      0
        ");
        insta::assert_snapshot!(leases(&sample(), ALL, T, &Look::default()), @r"
        LEASE  TENANT  STATE   MACHINES              QUEUE  INSTALL     USE  HOLD    CLEAN  END
            1  ci      closed  1:aarch64 2:x86_64  10m 00s   5m 00s  1h 00m  0.0s  10m 00s  was released
            2  kernel  closed  -                    1h 15m     0.0s    0.0s  0.0s     0.0s  was released
        ");
    }

    #[test]
    fn as_comma_separated_values() {
        let lines = |text: String| text.replace("\r\n", "\n");
        insta::assert_snapshot!(lines(tenants_csv(&by_tenant(&sample(), ALL, T))), @r"
        tenant,leases,x86_64_node_hours,aarch64_node_hours,ppc64le_node_hours,install_node_hours,use_node_hours,hold_node_hours,clean_node_hours,wait_mean_s,wait_p95_s,wait_max_s,ended_by_infrastructure
        ci,1,2.5000,1.2500,0.0000,0.2500,3.0000,0.0000,0.5000,600,600,600,0
        kernel,1,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,,,,0
        ");
        insta::assert_snapshot!(lines(leases_csv(&sample(), ALL, T)), @r#"
        lease,tenant,state,end,machines,requested,queue_s,install_s,use_s,hold_s,clean_s,purpose
        1,ci,closed,was released,1:aarch64 2:x86_64,2026-03-21 10:12:33Z,600,300,3600,0,600,
        2,kernel,closed,was released,,2026-03-21 10:12:33Z,4500,0,0,0,0,"a ""b"", c"
        "#);
    }
}
