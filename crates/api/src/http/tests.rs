//! The API's contract, over a real socket and the real ledger.

use std::{sync::Arc, time::Duration};

use assay_crypto::SecretKey;
use assay_ledger::{Amount, Height, Order, Role};
use serde_json::{Value, json};
use ureq::Agent;

use super::*;
use crate::test_chain::{TestChain, key, transfer};
use crate::{view::BoxFuture, views::ProgressReport};

/// A node that is not asked for more than its routes.
struct Nobody;

impl NodeView for Nobody {
    fn peers(&self) -> usize {
        3
    }

    fn is_ready(&self) -> bool {
        false
    }

    fn problems(&self) -> Vec<String> {
        vec!["it only serves".to_owned()]
    }

    fn progress(&self, _order: &Order) -> BoxFuture<'_, Option<ProgressReport>> {
        Box::pin(async { None })
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async { "assay_height 7\n".to_owned() })
    }
}

pub(super) struct Served {
    pub(super) chain: Arc<TestChain>,
    _server: HttpServer,
    pub(super) base: String,
    agent: Agent,
}

impl Served {
    pub(super) async fn start() -> Self {
        let chain = TestChain::new();
        let api = Api {
            chain: chain.clone(),
            account: key(1).public(),
            roles: vec![Role::Validator],
            node: Arc::new(Nobody),
            names: Vec::new(),
        };
        let server = HttpServer::start("127.0.0.1:0".parse().unwrap(), api.routes())
            .await
            .unwrap();
        let base = format!("http://{}", server.address());
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .new_agent();
        Self {
            chain,
            _server: server,
            base,
            agent,
        }
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let (agent, url) = (self.agent.clone(), format!("{}{path}", self.base));
        tokio::task::spawn_blocking(move || {
            let mut answer = agent.get(url).call().unwrap();
            (
                answer.status().as_u16(),
                answer.body_mut().read_json().unwrap(),
            )
        })
        .await
        .unwrap()
    }

    async fn post(&self, path: &str, body: String) -> (u16, Value) {
        let (agent, url) = (self.agent.clone(), format!("{}{path}", self.base));
        tokio::task::spawn_blocking(move || {
            let mut answer = agent.post(url).send(body).unwrap();
            (
                answer.status().as_u16(),
                answer.body_mut().read_json().unwrap(),
            )
        })
        .await
        .unwrap()
    }
}

fn assert_error(answer: (u16, Value), status: u16, says: &str) {
    assert_eq!(answer.0, status, "{}", answer.1);
    let body = answer.1.as_object().unwrap();
    assert_eq!(body.keys().collect::<Vec<_>>(), ["error", "hint"]);
    let text = format!("{} {}", body["error"], body["hint"]);
    assert!(text.contains(says), "{says:?} is not in {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_goes_in_and_comes_out_everywhere() {
    let served = Served::start().await;
    let transaction = transfer(&served.chain, 2, key(3).public(), Amount::tokens(5));
    let id = transaction.id().to_string();
    assert_error(served.get(&format!("/v1/tx/{id}")).await, 404, "ask again");

    let body = json!({"transaction": hex::encode(transaction.encode())}).to_string();
    let (status, answer) = served.post("/v1/tx", body.clone()).await;
    assert_eq!((status, answer["tx"].as_str().unwrap()), (202, id.as_str()));

    let (status, receipt) = served.get(&format!("/v1/tx/{id}")).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&receipt["height"], &receipt["outcome"]["applied"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(receipt["outcome"]["events"][0]["event"], "transferred");

    let (_, account) = served
        .get(&format!("/v1/accounts/{}", key(3).public()))
        .await;
    assert_eq!(account["balance"], 1_005_000_000u64);
    let (_, block) = served.get("/v1/blocks/head").await;
    assert_eq!(block["transactions"][0]["kind"], "transfer");
    assert_eq!(
        block["transactions"][0]["call"]["account"]["transfer"]["amount"],
        5_000_000
    );
    assert_eq!(block["head"]["height"], 1);

    // The same bytes again: the nonce is gone, and the node says so.
    assert_error(served.post("/v1/tx", body).await, 409, "nonce");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_described_and_its_money_adds_up() {
    let served = Served::start().await;
    served.chain.tick(vec![]);
    let (status, said) = served.get("/v1/status").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&said["chain_name"], &said["roles"]),
        (&json!("test"), &json!(["validator"]))
    );
    assert_eq!(said["head"]["height"], Height(1).0);

    let (_, network) = served.get("/v1/network").await;
    assert_eq!(network["supply"]["total"], network["supply"]["genesis"]);
    assert_eq!(network["members"][0]["role"], "validator");
    assert_eq!(network["members"][0]["address"], "127.0.0.1:7001");

    let (_, genesis) = served.get("/v1/genesis").await;
    let genesis: assay_ledger::Genesis = serde_json::from_value(genesis).unwrap();
    assert_eq!(
        genesis.digest().to_string(),
        said["chain_id"].as_str().unwrap()
    );

    let (status, proof) = served.get("/v1/prove/63").await;
    assert_eq!(status, 503, "nothing is certified here: {proof}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_get_a_reason_and_a_hint() {
    let served = Served::start().await;
    let nobody = SecretKey::from_seed([200; 32]).public();
    let zero = "0".repeat(64);
    for (path, status, says) in [
        ("/v1/blocks/7".to_owned(), 404, "no block at height 7"),
        ("/v1/blocks/0".to_owned(), 404, "/v1/genesis"),
        ("/v1/blocks/-1".to_owned(), 400, "whole number"),
        ("/v1/accounts/xyz".to_owned(), 400, "64 lower-case"),
        (format!("/v1/orders/{zero}"), 404, "GET /v1/orders"),
        (
            format!("/v1/orders/{zero}/progress"),
            404,
            "there is no order",
        ),
        (format!("/v1/files/{zero}"), 404, "nobody has recorded"),
        ("/v1/orders?colour=red".to_owned(), 400, "requester=KEY"),
        ("/v1/files?owner=7".to_owned(), 400, "64 lower-case"),
        ("/v1/grants".to_owned(), 400, "one of owner and grantee"),
        ("/v1/grants?owner=7".to_owned(), 400, "64 lower-case"),
        ("/v1/grants?file=7".to_owned(), 400, "file"),
        ("/v1/prove/abc".to_owned(), 400, "hexadecimal"),
        (
            format!("/v1/prove/{}", "00".repeat(257)),
            400,
            "at most 256",
        ),
        ("/v2/status".to_owned(), 404, "openapi.json"),
    ] {
        assert_error(served.get(&path).await, status, says);
    }
    assert_error(
        served.post("/v1/status", String::new()).await,
        405,
        "method",
    );

    let (status, empty) = served.get(&format!("/v1/accounts/{nobody}")).await;
    assert_eq!((status, &empty["balance"]), (200, &json!(0)));
    let (_, orders) = served.get("/v1/orders?active=true").await;
    assert_eq!(orders, json!({"orders": [], "more": false}));
}

/// Of a disk that fails nobody concludes that an order or an account does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_is_told_and_never_an_absence() {
    let served = Served::start().await;
    let id = key(3).public();
    let zero = "0".repeat(64);
    let paths = [
        "/v1/network".to_owned(),
        format!("/v1/accounts/{id}"),
        "/v1/orders".to_owned(),
        "/v1/orders?active=true".to_owned(),
        format!("/v1/orders/{zero}"),
        format!("/v1/orders/{zero}/progress"),
        "/v1/files".to_owned(),
        format!("/v1/grants?grantee={zero}"),
        format!("/v1/files/{zero}"),
    ];
    served.chain.set_broken(true);
    for path in &paths {
        assert_error(served.get(path).await, 503, "the disk failed");
    }
    served.chain.set_broken(false);
    for path in &paths {
        assert!([200, 404].contains(&served.get(path).await.0), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_are_no_text_are_refused_as_everything_else_is() {
    let served = Served::start().await;
    for path in ["accounts", "prove", "blocks", "tx", "orders", "files"] {
        let answer = served.get(&format!("/v1/{path}/%ff")).await;
        assert_error(answer, 400, "UTF-8");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_submissions_are_refused() {
    let served = Served::start().await;
    let poor = transfer(&served.chain, 99, key(3).public(), Amount(1));
    let mut tampered = transfer(&served.chain, 2, key(3).public(), Amount(1));
    tampered.fee = Amount(3_000);
    let hex = |transaction: &assay_ledger::Transaction| {
        json!({"transaction": hex::encode(transaction.encode())}).to_string()
    };
    for (body, says) in [
        (String::new(), "not a submission"),
        ("[]".to_owned(), "not a submission"),
        (
            json!({"transaction": "00", "fee": 1}).to_string(),
            "unknown field",
        ),
        (json!({"transaction": "zz"}).to_string(), "not hexadecimal"),
        (
            json!({"transaction": "00"}).to_string(),
            "not a transaction",
        ),
        (hex(&poor), "balance"),
        (hex(&tampered), "signature"),
    ] {
        assert_error(served.post("/v1/tx", body).await, 400, says);
    }
    assert_error(
        served.post("/v1/tx", "x".repeat(MAX_BODY + 1)).await,
        413,
        "at most",
    );
    assert_eq!(served.get("/v1/status").await.1["head"]["height"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_documented_and_counted() {
    let served = Served::start().await;
    let (_, document) = served.get("/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 16, "{:?}", paths.keys());
    for name in [
        "Status",
        "Network",
        "BlockView",
        "OrderDetail",
        "ReceiptView",
        "ErrorBody",
    ] {
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
    let url = format!("{}/metrics", served.base);
    let agent = served.agent.clone();
    let text = tokio::task::spawn_blocking(move || {
        agent
            .get(url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    });
    let text = text.await.unwrap();
    assert_eq!(text, "assay_height 7\n");
}
