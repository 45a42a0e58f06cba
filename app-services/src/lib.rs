//! What the device does for apps, on a socket of each app's own: figures of memory, power, certificates, updates, connections with
//! other apps.
//!
//! Everything that is read here comes from apps, so this daemon holds no capability and, once confined, can open nothing.
//! It decides nothing either: which app may ask for what, app-manager says by `ipc` with each instance's listening socket,
//! and the figures of its control group come along as open files; what needs privilege is asked of init.
//!
//! - [`services`]: the apps that are served, and the loop's turn. [`app`]: one of them with its connections.
//! - [`request`]: what a packet asks for, and the line that a manifest lacks. [`answer`]: one request, one reply.
//! - [`peers`]: pairs of sockets for two apps that name each other.
//! - [`updates`]: which updates are coming. [`certificates`]: an app's certificates and keys. [`figures`]: the app's control group. [`pace`]: how fast one app is listened to.
//! - [`manager`]: the link to app-manager. [`outside`]: what is asked of init and app-manager,
//!   and told to the monitor.
//!
//! Who speaks is known by the socket it came in on and by the uid that the kernel saw connect; nothing in a packet says it.
//!
//! Invariants: one app's floods, garbage and unread replies cost that app alone (a bound for its connections, its pace, its
//! waiting peers; nobody is waited for); a request that the manifest does not list is refused with the line it lacks; no
//! panic on any packet. Nothing is kept that a restart would lose: app-manager tells it all again.

#![forbid(unsafe_code)]

pub mod answer;
pub mod app;
pub mod certificates;
pub mod figures;
pub mod manager;
pub mod outside;
pub mod pace;
pub mod peers;
pub mod request;
pub mod services;
pub mod updates;
