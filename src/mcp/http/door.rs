//! The door that everything over HTTP stands behind: addresses that may ask, credentials that count, and
//! whoever guesses at them slowed down, wherever they guess.

use super::HttpOptions;
use super::rate::Rate;
use crate::clock::Clock;
use crate::mcp::instruments::{self, Refused};
use crate::mcp::{Access, Caller, Denied};
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use secrecy::SecretString;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The address of whoever connected, as the listener knows it.
pub type Address = SocketAddr;

/// Wrong credentials from one address in a minute.
const FAILURES_MAX: u32 = 10;

/// Lets callers in.
pub struct Door {
    access: Arc<dyn Access>,
    allowed: Vec<IpNet>,
    trusted_proxies: Vec<IpNet>,
    hosts: Vec<String>,
    origins: Vec<String>,
    failures: Rate<IpAddr>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

/// Why somebody with a credential is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Barred {
    /// It does not count.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It does not count either, and too many did not.
    #[error("too many failed logins; wait")]
    TooMany(Duration),
}

impl Door {
    /// The door of a house.
    pub fn new(access: Arc<dyn Access>, options: &HttpOptions, clock: Arc<dyn Clock>) -> Self {
        let failures = Rate::new(clock, FAILURES_MAX, Duration::from_mins(1));
        let (allowed, trusted_proxies) = (options.allowed.clone(), options.trusted_proxies.clone());
        let (hosts, origins) = (options.hosts.clone(), options.origins.clone());
        Self { access, allowed, trusted_proxies, hosts, origins, failures }
    }

    /// Names of ours, beside loopback.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Origins of browsers that may ask, beside our own.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Says who somebody is.
    pub fn access(&self) -> &Arc<dyn Access> {
        &self.access
    }

    /// Where a request comes from.
    ///
    /// # Errors
    /// Why nobody there may ask.
    pub fn address(&self, request: &Parts) -> Result<IpAddr, &'static str> {
        let peer = request.extensions.get::<ConnectInfo<Address>>();
        let Some(peer) = peer.map(|peer| peer.0.ip().to_canonical()) else {
            instruments::refused(Refused::Address);
            return Err("the address is not known");
        };
        let Some(address) = self.meant(peer, &request.headers) else {
            tracing::warn!(%peer, "refused: its X-Forwarded-For cannot be read");
            instruments::refused(Refused::Address);
            return Err("X-Forwarded-For cannot be read");
        };
        if !holds(&self.allowed, address) {
            tracing::warn!(%address, "refused: the address is not allowed (MCP_ALLOWED_IPS)");
            instruments::refused(Refused::Address);
            return Err("this address may not connect (MCP_ALLOWED_IPS)");
        }
        Ok(address)
    }

    /// The address that counts: a trusted proxy speaks for the one it names last. `None` when what
    /// it says cannot be read: then nobody knows who asks.
    fn meant(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut address = peer;
        let lists: Vec<&[u8]> =
            headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
        let named = lists.iter().rev().flat_map(|list| list.rsplit(|byte| *byte == b','));
        for name in named {
            if !holds(&self.trusted_proxies, address) {
                break;
            }
            address = forwarded(name)?;
        }
        Some(address)
    }

    /// Whose credential it is. Whoever has the secret is never kept out; whoever guesses is slowed
    /// down and told less.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn caller(
        &self,
        credential: &SecretString,
        address: IpAddr,
    ) -> Result<Caller, Barred> {
        match self.access.caller(credential).await {
            Ok(caller) => Ok(caller),
            Err(denied @ Denied::Unavailable(_)) => Err(Barred::Denied(denied)),
            Err(denied) => {
                self.failed(address, &denied)?;
                Err(Barred::Denied(denied))
            }
        }
    }

    /// Somebody there failed to say who they are.
    ///
    /// # Errors
    /// They failed too often.
    pub fn failed(&self, address: IpAddr, why: &dyn std::fmt::Display) -> Result<(), Barred> {
        if let Err(wait) = self.failures.take(&address) {
            instruments::refused(Refused::Logins);
            return Err(Barred::TooMany(wait));
        }
        tracing::warn!(%address, denied = %why, "a login failed");
        instruments::refused(Refused::Login);
        Ok(())
    }
}

fn holds(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

/// An address as proxies write it: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:443`.
fn forwarded(name: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(name).ok()?.trim();
    let address = text.parse::<IpAddr>().ok().or_else(|| {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        bare.and_then(|bare| bare.parse().ok())
    });
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}
