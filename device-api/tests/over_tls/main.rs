//! device-api over real TLS: what it does for clients ([`api`]), and what it does against others ([`attacks`]).

mod api;
mod attacks;
mod world;
