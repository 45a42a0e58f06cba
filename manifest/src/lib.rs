//! Every format that crosses a border of Holdfast, as types.
//!
//! What comes from outside (an app's manifest, a bundle's envelope, a board file, the service table, an API request)
//! is read here and nowhere else, by [`read::json`]: bounded before it is parsed, closed against unknown fields and
//! duplicate keys, and with an error that names the path inside the document, the line, and what was expected.
//!
//! This crate does no I/O and knows no policy. What a manifest *grants* is decided in `grant/`; whether a bundle is
//! *trusted* is decided by security-monitor. A value of a type here proves its shape, never its origin.
//!
//! - [`names`], [`quantity`], `time_zone`: the words and units all formats use; each refuses what does not belong.
//! - [`destination`]: where an app may connect to.
//! - [`app`], [`holdfast`]: the app manifest, a superset of Azure Sphere's `app_manifest.json`; its JSON Schema is made in
//!   `schema`, behind a feature that no device has.
//! - [`bundle`]: trailer, DSSE envelope and signed statement of an app bundle; [`trust`]: who may sign.
//! - [`board`], [`service`], [`sysctl`], [`network`], [`image`]: data files inside the verified image.
//! - [`notify`]: the sd_notify messages of apps and daemons; [`services`]: what apps and app-services say to each other.
//! - [`api`]: requests and replies of the device API.
//! - [`places`]: paths, uids and socket names that several processes must agree on.
//!
//! Invariants: no panic on any input; every bound is a named constant; every struct is `deny_unknown_fields`.

#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod board;
pub mod bundle;
pub mod destination;
pub mod holdfast;
pub mod image;
pub mod names;
pub mod network;
pub mod notify;
pub mod places;
pub mod quantity;
pub mod read;
#[cfg(feature = "schema")]
pub mod schema;
pub mod service;
pub mod services;
pub mod sysctl;
mod time_zone;
pub mod trust;
