//! What only a booted image can show. One program, so that the tests that only look share one boot.
//!
//! - [`look`]: what a device is right after its boot: processes, mounts, sysctls, sockets, confinement.
//! - [`applibs`]: apps in Azure Sphere's style. [`apps`]: an app's whole life; what an app can reach.
//! - [`bundles`]: bad bundles, each refused with its reason.
//! - [`deaths`]: each daemon killed; [`hangs`]: daemons and init that stand still.
//! - [`escape`]: the attack suite, layer by layer. [`fuzzers`]: other people's, as apps.
//! - [`power`]: power button, clocks, identity; [`cuts`]: power cuts while an app stores; [`install_cuts`]: while one comes or goes.
//! - [`configuration`]: what an owner gives an app to read.
//! - [`crashes`]: what an app leaves that crashes. [`debug`]: an app under gdb. [`denials`]: what a refused call tells whoever wrote the app.
//! - [`greedy`]: apps that take what they can get; [`limits`]: what their manifests limit. [`many`]: fifty apps.
//!   [`updates`]: versions that fail, and older ones. [`deferral`]: those that apps put off.
//! - [`peripherals`]: what the board file names, as descriptors. [`services`]: what app-services does for apps.
//! - [`samples`]: what their READMEs say. [`develop`]: an app that is installed whenever its source is saved.
//! - [`rot`]: damaged blocks of the root partition.
//! - [`storage`]: what apps store, and its keys.
//! - [`secure`]: the chain from the firmware on. [`judges`], [`selftests`]: other people's tools. [`controls`]: negative controls.
//! - [`support`]: the support bundle. [`readme`]: the README's commands.
#![forbid(unsafe_code)]

mod applibs;
mod apps;
mod bundles;
mod configuration;
mod controls;
mod crashes;
mod cuts;
mod deaths;
mod debug;
mod deferral;
mod denials;
mod develop;
mod escape;
mod fuzzers;
mod greedy;
mod hangs;
mod install_cuts;
mod judges;
mod limits;
mod look;
mod many;
mod peripherals;
mod power;
mod readme;
mod rot;
mod samples;
mod secure;
mod selftests;
mod services;
mod storage;
mod support;
mod updates;
