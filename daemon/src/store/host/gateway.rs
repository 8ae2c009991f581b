//! Which host may be another's gateway. There is one step at most, so that there are no circles and
//! a person sees the whole way on one page.

use gangplank_proto::id::{HostId, TenantId};
use sqlx::{Sqlite, Transaction};

use crate::store::StoreError;

/// Checks that `gateway` can be the one of `host`, which is absent while it is just being made.
pub(super) async fn check(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: Option<HostId>,
    gateway: HostId,
) -> Result<(), StoreError> {
    if host == Some(gateway) {
        return Err(StoreError::Invalid("gateway_id: a host can't be its own gateway"));
    }
    let next: Option<Option<String>> =
        sqlx::query_scalar("SELECT gateway_id FROM hosts WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(gateway.to_string())
            .fetch_optional(&mut **write)
            .await?;
    match next {
        None => return Err(StoreError::Invalid("gateway_id: there is no such host")),
        Some(Some(_)) => {
            let message =
                "gateway_id: that host is behind a gateway itself; choose one that is not";
            return Err(StoreError::Invalid(message));
        }
        Some(None) => {}
    }
    if let Some(host) = host
        && is_gateway(write, tenant, host).await?
    {
        let message = "gateway_id: this host is the gateway of others, so it can't have one itself";
        return Err(StoreError::Invalid(message));
    }
    Ok(())
}

/// Refuses to take away what other hosts are reached through: dialled from here instead, their
/// addresses may lead elsewhere.
pub(super) async fn check_removable(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
) -> Result<(), StoreError> {
    if is_gateway(write, tenant, host).await? {
        let message = "this host is the gateway of others; change or remove those first";
        return Err(StoreError::Refused(message));
    }
    Ok(())
}

async fn is_gateway(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
) -> Result<bool, StoreError> {
    let found =
        sqlx::query("SELECT id FROM hosts WHERE tenant_id = $1 AND gateway_id = $2 LIMIT 1")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .fetch_optional(&mut **write)
            .await?;
    Ok(found.is_some())
}
