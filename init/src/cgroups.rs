//! The tree of control groups: `system/<service>` with its memory protected from what apps do, and `apps`, which belongs
//! to app-manager.

use crate::{phases::Boot, problem::Problem};
use linux::cgroup::Cgroup;
use manifest::{names::ServiceName, places, service::Service};

/// Controllers of the tree.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];
/// CPU share of all services together beside the apps' 100: the monitor gets to run under any load of theirs.
const SYSTEM_CPU_WEIGHT: u32 = 400;
/// Memory of init itself that is never reclaimed, in bytes.
const INIT_MEMORY_MIN: u64 = 2 << 20;
/// Whom the apps' subtree belongs to.
const APPS_OWNER: &str = "app-manager";

/// Makes the tree and moves init into its own leaf.
pub fn make_tree(boot: &mut Boot) -> Result<(), Problem> {
    let table = boot.table()?;
    let root = Cgroup::at(places::CGROUP);
    root.enable(&CONTROLLERS)?;
    let system = Cgroup::make(places::SYSTEM_CGROUP)?;
    // Half of the memory at most is kept for services, whatever the table adds up to; a quarter of it in any case. Below
    // these the kernel takes memory from apps before it takes any from a service.
    let wanted: u64 = table.services.iter().map(|service| service.memory.0).sum();
    let memory = total_memory()?;
    system.set("memory.low", wanted.min(memory / 2))?;
    system.set("memory.min", wanted.min(memory / 4))?;
    system.set("cpu.weight", SYSTEM_CPU_WEIGHT)?;
    system.enable(&CONTROLLERS)?;
    let own = Cgroup::make(system.path().join("init"))?;
    own.set("memory.min", INIT_MEMORY_MIN)?;
    own.add(1)?;
    for service in &table.services {
        limit(service)?;
    }
    let apps = Cgroup::make(places::APPS_CGROUP)?;
    apps.enable(&CONTROLLERS)?;
    if let Some(owner) = table.services.iter().find(|service| service.name.as_str() == APPS_OWNER) {
        apps.delegate(owner.uid, places::LAUNCHER_GID)?;
    }
    Ok(())
}

fn limit(service: &Service) -> Result<(), Problem> {
    let group = Cgroup::make(of(&service.name).path())?;
    group.set("memory.max", service.memory.0)?;
    group.set("memory.oom.group", 1)?;
    group.set("pids.max", service.pids)?;
    Ok(())
}

/// A service's group.
pub fn of(service: &ServiceName) -> Cgroup {
    Cgroup::at(format!("{}/{service}", places::SYSTEM_CGROUP))
}

/// All memory of the machine, in bytes.
fn total_memory() -> Result<u64, Problem> {
    let info = rustix::system::sysinfo();
    let bytes = info.totalram.checked_mul(u64::from(info.mem_unit));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| Problem::Missing("size of the memory".into()))
}

/// Kills whatever is left in a service's group after its first process ended.
pub fn kill_rest(service: &ServiceName) {
    if of(service).is_populated().unwrap_or(false) {
        let _ = of(service).kill();
    }
}
