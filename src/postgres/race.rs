//! Hosts that are tried side by side, in the manner of RFC 8305 ("Happy Eyeballs", section 5): one that is
//! silent keeps nobody from the next.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::time::Duration;
use tokio::time::timeout;

/// So long a host is tried alone before the next one is tried beside it.
const DELAY: Duration = Duration::from_millis(250);

/// All of so many hosts, from this one on.
pub(super) fn order(from: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| (from + step) % count)
}

/// The first host that is had, and what was had of it; the tries at the others are dropped. The next host
/// of the order is tried when those before it were silent for a moment, or at once when one of them failed.
///
/// # Errors
/// How each one failed, in the order in which they did.
pub(super) async fn first<T, E, F>(
    hosts: impl Iterator<Item = usize>,
    one: impl Fn(usize) -> F,
) -> Result<(usize, T), Vec<(usize, E)>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut trials = hosts.map(|host| {
        let trial = one(host);
        async move { (host, trial.await) }
    });
    let (mut tried, mut failures) = (FuturesUnordered::new(), Vec::new());
    loop {
        if let Some(trial) = trials.next() {
            tried.push(trial);
        }
        match timeout(DELAY, tried.next()).await {
            Ok(Some((host, Ok(had)))) => return Ok((host, had)),
            Ok(Some((host, Err(error)))) => failures.push((host, error)),
            // None is left to be tried, either.
            Ok(None) => return Err(failures),
            // The next one is tried beside them.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};
    use tokio::time::{Instant, sleep};

    /// What a host does when it is tried.
    #[derive(Clone, Copy)]
    enum Host {
        /// Lets in after so many milliseconds.
        Lets(u64),
        /// Fails after so many.
        Fails(u64),
        Silent,
    }

    use Host::{Fails, Lets, Silent};

    /// What came of a race.
    #[derive(Debug, PartialEq, Eq)]
    struct Seen {
        /// Which host was had, or in which order they failed.
        came: Result<usize, Vec<usize>>,
        /// After so many milliseconds.
        after: u128,
        /// Which hosts were tried, and when.
        tried: Vec<(usize, u128)>,
    }

    /// Counts what is under way.
    struct UnderWay<'a>(&'a AtomicUsize);

    impl Drop for UnderWay<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    async fn race(from: usize, hosts: &[Host]) -> Seen {
        let begin = Instant::now();
        let (tried, under_way) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let one = |host: usize| {
            let (tried, under_way) = (&tried, &under_way);
            async move {
                under_way.fetch_add(1, Ordering::SeqCst);
                let _under_way = UnderWay(under_way);
                let at = (host, begin.elapsed().as_millis());
                tried.lock().unwrap_or_else(PoisonError::into_inner).push(at);
                match hosts[host] {
                    Lets(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Ok(())
                    }
                    Fails(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Err(())
                    }
                    Silent => std::future::pending().await,
                }
            }
        };
        let came = first(order(from, hosts.len()), one).await;
        let after = begin.elapsed().as_millis();
        assert_eq!(under_way.load(Ordering::SeqCst), 0, "one goes on being tried");
        let came = came.map(|(host, ())| host);
        let came = came.map_err(|failures| failures.into_iter().map(|(host, ())| host).collect());
        let tried = tried.into_inner().unwrap_or_else(PoisonError::into_inner);
        Seen { came, after, tried }
    }

    #[test]
    fn all_hosts_come_once_from_the_preferred_one_on() {
        for (from, count, expected) in
            [(0, 1, vec![0]), (0, 3, vec![0, 1, 2]), (2, 3, vec![2, 0, 1])]
        {
            assert_eq!(order(from, count).collect::<Vec<_>>(), expected, "{from} of {count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_lets_in_soon_is_the_only_one_that_is_tried() {
        let seen = race(1, &[Lets(0), Lets(249)]).await;
        assert_eq!(seen, Seen { came: Ok(1), after: 249, tried: vec![(1, 0)] });
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_costs_a_moment() {
        let seen = race(0, &[Silent, Lets(100)]).await;
        assert_eq!(seen, Seen { came: Ok(1), after: 350, tried: vec![(0, 0), (1, 250)] });
        let seen = race(0, &[Silent, Silent, Lets(0)]).await;
        let tried = vec![(0, 0), (1, 250), (2, 500)];
        assert_eq!(seen, Seen { came: Ok(2), after: 500, tried });
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_host_fails_the_next_one_is_tried_at_once() {
        let seen = race(0, &[Fails(10), Silent, Lets(5)]).await;
        let tried = vec![(0, 0), (1, 10), (2, 260)];
        assert_eq!(seen, Seen { came: Ok(2), after: 265, tried });
        // The delay begins anew with each: the third does not wait for the second's.
        let seen = race(0, &[Fails(300), Silent, Lets(5)]).await;
        let tried = vec![(0, 0), (1, 250), (2, 300)];
        assert_eq!(seen, Seen { came: Ok(2), after: 305, tried });
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_host_is_had_where_the_others_fail_or_are_slower() {
        let seen = race(0, &[Lets(400), Fails(10)]).await;
        assert_eq!(seen, Seen { came: Ok(0), after: 400, tried: vec![(0, 0), (1, 250)] });
        let seen = race(0, &[Lets(400), Lets(200)]).await;
        assert_eq!(seen, Seen { came: Ok(0), after: 400, tried: vec![(0, 0), (1, 250)] });
        let seen = race(0, &[Lets(4_000), Lets(200)]).await;
        assert_eq!(seen, Seen { came: Ok(1), after: 450, tried: vec![(0, 0), (1, 250)] });
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_fail_each_is_told_when_the_last_one_did() {
        let seen = race(0, &[Fails(3_000), Fails(10)]).await;
        let tried = vec![(0, 0), (1, 250)];
        assert_eq!(seen, Seen { came: Err(vec![1, 0]), after: 3_000, tried });
        assert_eq!(race(0, &[]).await.came, Err(Vec::new()));
    }
}
