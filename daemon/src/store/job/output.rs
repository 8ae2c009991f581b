//! What jobs print: kept in pieces by their place, the first and the newest of it.

use gangplank_proto::id::{JobId, TenantId};
use gangplank_proto::limit;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Job, JobWrite};
use crate::store::row::number;
use crate::store::{Store, StoreError};

/// Output that is kept from the beginning, in bytes; as much of the newest is kept beside it.
const HALF: u64 = limit::JOB_OUTPUT_KEPT as u64 / 2;

/// Small pieces are joined up to this length, so that many can't cost more than their bytes.
const JOIN: usize = 16 << 10;

/// Output answered at a time, in bytes, but one piece at least.
const ANSWER: usize = 256 << 10;

/// A part of what a job printed, from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOutput {
    /// The pieces, in their order.
    pub pieces: Vec<JobPiece>,
    /// Where the next part begins.
    pub next: u64,
    /// Bytes that the job printed so far.
    pub end: u64,
}

/// Bytes in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPiece {
    /// What lies between the piece before, or the asked offset, and this one.
    pub gap: Option<Gap>,
    /// Bytes before it.
    pub offset: u64,
    /// The bytes.
    pub data: Vec<u8>,
}

/// Output that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Offset of the first byte that is gone.
    pub from: u64,
    /// Offset after the last.
    pub to: u64,
}

struct Piece {
    start: u64,
    end: u64,
    data: Vec<u8>,
}

impl Store {
    /// What a job of a tenant printed, from `offset` on. None when there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_output(
        &self,
        tenant: TenantId,
        id: JobId,
        offset: u64,
    ) -> Result<Option<JobOutput>, StoreError> {
        // One moment of both.
        let mut reader = self.reader.begin().await?;
        let job = sqlx::query("SELECT output_end FROM jobs WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *reader)
            .await?;
        let Some(job) = job else { return Ok(None) };
        let end: u64 = number(&job, "output_end")?;
        let rows = sqlx::query(
            "SELECT start_at, end_at, data FROM job_output \
             WHERE tenant_id = $1 AND job_id = $2 AND end_at > $3 ORDER BY start_at LIMIT 256",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .fetch_all(&mut *reader)
        .await?;
        reader.commit().await?;
        let (mut pieces, mut next, mut bytes) = (Vec::new(), offset, 0);
        let all = rows.len();
        for row in &rows {
            let mut piece = piece(row)?;
            if bytes > 0 && bytes + piece.data.len() > ANSWER {
                break;
            }
            if piece.start < next {
                let seen = usize::try_from(next - piece.start).unwrap_or(usize::MAX);
                piece.data.drain(..seen.min(piece.data.len()));
                piece.start = next;
            }
            let gap = (piece.start > next).then_some(Gap { from: next, to: piece.start });
            bytes += piece.data.len();
            next = piece.end;
            pieces.push(JobPiece { gap, offset: piece.start, data: piece.data });
        }
        // The last of it may have been dropped before it came.
        if pieces.len() == all && next < end {
            let gap = Some(Gap { from: next, to: end });
            pieces.push(JobPiece { gap, offset: end, data: Vec::new() });
            next = end;
        }
        Ok(Some(JobOutput { pieces, next: next.max(offset), end }))
    }
}

impl JobWrite {
    /// Adds what a job printed; what is there already is left out. Answers how much of `data` that
    /// was.
    pub(super) async fn append_output(
        &mut self,
        job: &mut Job,
        offset: u64,
        data: &[u8],
    ) -> Result<usize, StoreError> {
        let end = offset.saturating_add(data.len() as u64);
        if end <= job.output_end || i64::try_from(end).is_err() {
            return Ok(data.len());
        }
        let seen = usize::try_from(job.output_end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let new = data.get(seen..).unwrap_or_default();
        let start = offset.max(job.output_end);
        match self.last_piece(job).await? {
            // The first half is cut off exactly, so that the newest can be dropped without it.
            Some(last)
                if last.end == start
                    && last.data.len() + new.len() <= JOIN
                    && (last.start >= HALF || end <= HALF) =>
            {
                self.put(job, last.start, end, &[&last.data, new].concat()).await?;
            }
            _ => self.put(job, start, end, new).await?,
        }
        job.output_end = end;
        self.keep(job, (job.state, job.attempt))?;
        sqlx::query(
            "DELETE FROM job_output WHERE tenant_id = $1 AND job_id = $2 AND start_at >= $3 \
             AND end_at <= $4",
        )
        .bind(job.tenant.to_string())
        .bind(job.id.to_string())
        .bind(i64::try_from(HALF).unwrap_or(i64::MAX))
        .bind(i64::try_from(end.saturating_sub(HALF)).unwrap_or(i64::MAX))
        .execute(&mut *self.tx)
        .await?;
        Ok(seen)
    }

    /// Forgets what a job printed, for an attempt that begins anew.
    pub(super) async fn clear_output(&mut self, job: &mut Job) -> Result<(), StoreError> {
        job.output_end = 0;
        sqlx::query("DELETE FROM job_output WHERE tenant_id = $1 AND job_id = $2")
            .bind(job.tenant.to_string())
            .bind(job.id.to_string())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Everything that a job printed, if nothing of it is missing.
    pub(super) async fn whole_output(&mut self, job: &Job) -> Result<Option<Vec<u8>>, StoreError> {
        if job.output_end == 0 {
            return Ok(Some(Vec::new()));
        }
        let rows = sqlx::query(
            "SELECT start_at, end_at, data FROM job_output WHERE tenant_id = $1 AND job_id = $2 \
             ORDER BY start_at",
        )
        .bind(job.tenant.to_string())
        .bind(job.id.to_string())
        .fetch_all(&mut *self.tx)
        .await?;
        let mut whole = Vec::new();
        for row in &rows {
            let piece = piece(row)?;
            if piece.start != whole.len() as u64 {
                return Ok(None);
            }
            whole.extend_from_slice(&piece.data);
        }
        Ok((whole.len() as u64 == job.output_end).then_some(whole))
    }

    async fn last_piece(&mut self, job: &Job) -> Result<Option<Piece>, StoreError> {
        let row = sqlx::query(
            "SELECT start_at, end_at, data FROM job_output WHERE tenant_id = $1 AND job_id = $2 \
             ORDER BY start_at DESC LIMIT 1",
        )
        .bind(job.tenant.to_string())
        .bind(job.id.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        row.as_ref().map(piece).transpose()
    }

    async fn put(
        &mut self,
        job: &Job,
        start: u64,
        end: u64,
        data: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO job_output (job_id, tenant_id, start_at, end_at, data) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (job_id, start_at) \
             DO UPDATE SET end_at = excluded.end_at, data = excluded.data",
        )
        .bind(job.id.to_string())
        .bind(job.tenant.to_string())
        .bind(i64::try_from(start).unwrap_or(i64::MAX))
        .bind(i64::try_from(end).unwrap_or(i64::MAX))
        .bind(data)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

fn piece(row: &SqliteRow) -> Result<Piece, StoreError> {
    Ok(Piece {
        start: number(row, "start_at")?,
        end: number(row, "end_at")?,
        data: row.try_get("data")?,
    })
}
