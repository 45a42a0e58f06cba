//! A plan that was found to be in order becomes a sandbox.

use crate::{
    debug, image,
    instances::Running,
    invariants::{self, Debug, Descriptors},
    refusal::Refusal,
    storage::Storage,
    verdicts::Verdicts,
};
use ipc::messages::launcher::Plan;
use linux::mount;
use manifest::places;
use rustix::fd::{AsFd, OwnedFd};
use sandbox::{
    Command, Denials, Kernel, Limits, Mount, Place, Policy, Processes, layers::devices::Devices, seccomp::profiles::app::DEBUG,
};

/// Name of the notify socket in the app's /run.
const NOTIFY: &str = "notify";
/// Name of the folder with the socket of app-services, there too: a folder, so that app-manager can make the socket anew.
const SERVICES: &str = "services";
/// Bytes of an app's /tmp and /run each; they count as its memory.
const TEMPORARY_BYTES: u64 = 1 << 20;
/// Variables that tell of passed descriptors. Only the sandbox knows the process id that belongs to them.
const PASSED: &str = "LISTEN_";

/// Checks the plan, looks the image's verdict up, and starts the app with a copy of `devices`, in `network` if there is
/// one, else in a new one.
pub fn start(
    verdicts: &Verdicts,
    storage: &Storage,
    devices: &Devices,
    network: Option<OwnedFd>,
    debug: Debug,
    plan: &Plan,
    descriptors: Vec<OwnedFd>,
) -> Result<Running, Refusal> {
    // Not kept from launcher's own start: vm.mmap_min_addr, on which exec-once rests, is a setting.
    let kernel = Kernel::check()?;
    let mut profiles = invariants::check_plan(plan)?;
    let sorted = invariants::sort(plan, descriptors, debug)?;
    let Descriptors { image, cgroup, stdout, stderr, kept, granted, debugger } = sorted;
    let verdict = image::judged(image.as_fd(), verdicts)?;
    if verdict.component != plan.instance.component {
        return Err(Refusal::OtherComponent { owner: verdict.component.clone(), asked: plan.instance.component.clone() });
    }
    let root = image::mounted(image.as_fd())?;
    let mut mounts = mounts(plan, storage)?;
    let mut processes = invariants::processes(plan.confinement.processes);
    let mut command = Command {
        arguments: plan.arguments.clone(),
        environment: plan.environment.iter().filter(|variable| !variable.starts_with(PASSED)).cloned().collect(),
        descriptors: granted.iter().map(|(name, fd)| (name.clone(), fd.as_fd())).collect(),
        ..Command::new(plan.entry_point.clone(), stdout.as_fd(), stderr.as_fd())
    };
    if let Some(debugger) = &debugger {
        debug::prepare(&mut command, &mut mounts, debugger.as_fd())?;
        profiles.push(&DEBUG);
        processes = Processes::Exec;
    }
    let policy = Policy {
        host_name: plan.host_name.clone(),
        mounts,
        devices: Some(devices),
        network,
        processes,
        profiles,
        denials: Denials::Told,
        limits: Limits {
            open_files: plan.confinement.open_files,
            temporary_bytes: TEMPORARY_BYTES,
            core_bytes: plan.confinement.core_bytes,
            ..Limits::default()
        },
        cgroup: Some(cgroup.as_fd()),
        ..Policy::new(plan.uid, root.as_fd())
    };
    let child = sandbox::spawn(&kernel, policy, &command)?;
    Ok(Running { child, kept })
}

fn mounts(plan: &Plan, storage: &Storage) -> Result<Vec<Mount>, Refusal> {
    let component = &plan.instance.component;
    let mut mounts = Vec::new();
    for name in [NOTIFY].into_iter().chain(plan.services.then_some(SERVICES)) {
        let detached = mount::detached_bind(format!("{}/{component}/{name}", places::APP_RUN))?;
        mounts.push(Mount { detached, place: Place::Socket(name.to_owned()) });
    }
    if plan.storage {
        mounts.push(Mount { detached: mount::detached_bind(storage.path(component))?, place: Place::Data });
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use manifest::sysctl::SysctlTable;

    #[test]
    fn a_device_dumps_an_app_to_where_its_dump_is_looked_for() {
        let table = SysctlTable::parse(include_bytes!("../../buildroot-config/sysctl.json")).unwrap();
        let pattern = table.settings.iter().find(|sysctl| sysctl.key.as_str() == "kernel.core_pattern").unwrap();
        assert_eq!(pattern.value, sandbox::CORE);
    }
}
