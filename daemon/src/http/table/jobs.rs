//! Routes about commands to hosts.

use http::Method;

use super::{device, person};
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{batches, commands, jobs};

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let read = Some(Permission::JobsRead);
    let run = Some(Permission::JobsRun);
    vec![
        person(
            M::POST,
            "/api/v1/hosts/{host_id}/commands",
            run,
            "Give a host a command",
            handler!(jobs::create),
        ),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/report",
            Some(Permission::HostsRead),
            "A host's latest full report",
            handler!(jobs::report),
        ),
        person(
            M::POST,
            "/api/v1/commands",
            run,
            "Give many hosts a command",
            handler!(batches::create),
        ),
        person(M::GET, "/api/v1/batches", read, "List batches", handler!(batches::list)),
        person(M::GET, "/api/v1/batches/{batch_id}", read, "One batch", handler!(batches::get)),
        person(
            M::POST,
            "/api/v1/batches/{batch_id}/pause",
            run,
            "Hand out no more of a batch",
            handler!(batches::pause),
        ),
        person(
            M::POST,
            "/api/v1/batches/{batch_id}/resume",
            run,
            "Hand out a paused batch again",
            handler!(batches::resume),
        ),
        person(
            M::POST,
            "/api/v1/batches/{batch_id}/halt",
            run,
            "Call off what is left of a batch",
            handler!(batches::halt),
        ),
        person(M::GET, "/api/v1/jobs", read, "List jobs", handler!(jobs::list)),
        person(M::GET, "/api/v1/jobs/{job_id}", read, "One job", handler!(jobs::get)),
        person(
            M::GET,
            "/api/v1/jobs/{job_id}/output",
            read,
            "What a job printed, from an offset on",
            handler!(jobs::output),
        ),
        person(
            M::POST,
            "/api/v1/jobs/{job_id}/cancel",
            run,
            "Call a job off",
            handler!(jobs::cancel),
        ),
        person(
            M::POST,
            "/api/v1/jobs/{job_id}/retry",
            run,
            "Do a job that is over again, as a new one",
            handler!(jobs::retry),
        ),
        device(
            M::GET,
            "/api/v1/commands",
            "Commands for this host; waits for some",
            handler!(commands::poll),
        ),
        device(
            M::POST,
            "/api/v1/commands/{job_id}/result",
            "What came of a command",
            handler!(commands::result),
        ),
    ]
}
