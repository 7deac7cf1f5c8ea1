//! The workloads with PostgreSQL by `tokio-postgres`: the same queries and as many rows, each of whose values is taken
//! out of its row as the type that Lua would have.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio_postgres::{Client, NoTls, Row, SimpleQueryMessage, SimpleQueryRow};

/// Rows of a large answer.
const MANY: u64 = 1000;

/// `WORKLOAD PORT ROWS THREADS`, and the result as a workload prints it.
pub fn run(words: &[String]) -> anyhow::Result<String> {
    let [workload, port, rows, threads] = words else {
        bail!("tokio-postgres WORKLOAD PORT ROWS THREADS");
    };
    let (rows, threads) = (rows.parse()?, threads.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let words = format!("host=127.0.0.1 port={port} user=me password=secret dbname=test");
        let (client, connection) = tokio_postgres::connect(&words, NoTls).await?;
        tokio::spawn(connection);
        let began = (Instant::now(), processor_time()?);
        let rows = measure(&client, workload, rows).await?;
        let (took, used) = (began.0.elapsed(), processor_time()? - began.1);
        let each = used.as_secs_f64() * 1e9 / rows as f64;
        Ok(format!("{rows} {:.6} cpu_ns={each:.1}", took.as_secs_f64()))
    })
}

async fn measure(client: &Client, workload: &str, rows: u64) -> anyhow::Result<u64> {
    let (count, prepared) = match workload {
        "pgsql1" => (1, false),
        "pgsqlstmt1" => (1, true),
        "pgsql1000" => (MANY, false),
        "pgsqlstmt1000" => (MANY, true),
        other => bail!("no workload {other}"),
    };
    let times = rows / count;
    let (condition, value) = if count == 1 { ("=", 7) } else { (">", 0) };
    if prepared {
        let text = format!("select * from bench where id {condition} $1");
        let statement = client.prepare(&text).await?;
        for _ in 0..times {
            let rows = client.query(&statement, &[&value]).await?;
            let players: Vec<Player> = rows.iter().map(player).collect::<Result<_, _>>()?;
            check(&players, count)?;
        }
    } else {
        let text = format!("select * from bench where id {condition} {value}");
        for _ in 0..times {
            let mut players = Vec::new();
            for message in client.simple_query(&text).await? {
                if let SimpleQueryMessage::Row(row) = message {
                    players.push(player_of_text(&row).context("not a player")?);
                }
            }
            check(&players, count)?;
        }
    }
    Ok(times * count)
}

fn check(players: &[Player], count: u64) -> anyhow::Result<()> {
    let last = players.last().context("no row")?;
    ensure!(players.len() as u64 == count && last.kills == last.id * 3);
    Ok(())
}

#[expect(dead_code, reason = "most of what is read is not looked at")]
struct Player {
    id: i32,
    level: i16,
    gold: i64,
    x: f64,
    y: f64,
    name: String,
    guild: String,
    alive: i16,
    kills: i32,
    note: String,
}

fn player(row: &Row) -> Result<Player, tokio_postgres::Error> {
    Ok(Player {
        id: row.try_get(0)?,
        level: row.try_get(1)?,
        gold: row.try_get(2)?,
        x: row.try_get(3)?,
        y: row.try_get(4)?,
        name: row.try_get(5)?,
        guild: row.try_get(6)?,
        alive: row.try_get(7)?,
        kills: row.try_get(8)?,
        note: row.try_get(9)?,
    })
}

fn player_of_text(row: &SimpleQueryRow) -> Option<Player> {
    Some(Player {
        id: row.get(0)?.parse().ok()?,
        level: row.get(1)?.parse().ok()?,
        gold: row.get(2)?.parse().ok()?,
        x: row.get(3)?.parse().ok()?,
        y: row.get(4)?.parse().ok()?,
        name: row.get(5)?.to_owned(),
        guild: row.get(6)?.to_owned(),
        alive: row.get(7)?.parse().ok()?,
        kills: row.get(8)?.parse().ok()?,
        note: row.get(9)?.to_owned(),
    })
}

/// Of the whole process, in the system's clock ticks of 10 ms.
fn processor_time() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = text.rsplit_once(')').context("/proc/self/stat")?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || anyhow::Ok(fields.next().context("/proc/self/stat")?.parse::<u64>()?);
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}
