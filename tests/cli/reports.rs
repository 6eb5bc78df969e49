//! `runwatch review --html`, `--markdown`, `--junit` and `--sarif`.

use std::fs;
use std::path::Path;

use runwatch::exit;
use serde_json::Value;

use crate::streams::{NAN, json, troubled};
use crate::support::{Output, Test};

const ALL: &str = "--html r.html --markdown r.md --junit r.xml --sarif r.sarif";

const TRACEBACK: &str = "\
Traceback (most recent call last):
  File \"train.py\", line 7, in main
    batch = data[\"x\"]
KeyError: 'x'
";

fn file(output: &Output, name: &str) -> String {
    fs::read_to_string(output.folder.path().join(name)).unwrap()
}

/// What the page of a report finds in itself.
fn data(page: &str) -> Value {
    let open = "<script type=\"application/json\" id=\"runwatch-data\">";
    let (_, rest) = page.split_once(open).unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn the_usual_output_is_what_it_always_is() {
    let log = json(&troubled());
    let review = |more: &str| {
        Test::new("review --json train.log")
            .arguments(more)
            .file("train.log", &log)
            .any_stdout()
            .any_stderr()
            .run()
    };
    let (without, with) = (review(""), review(ALL));
    assert_eq!(with.text(), without.text());
    assert_eq!(with.stderr, without.stderr);
    // And so are the reports, byte for byte.
    let again = review("--threads 1 --html r.html --markdown r.md --junit r.xml --sarif r.sarif");
    for name in ["r.html", "r.md", "r.xml", "r.sarif"] {
        assert_eq!(file(&with, name), file(&again, name), "{name}");
    }
}

#[test]
fn a_page_has_everything() {
    let log = NAN
        .replace("\"step\": 3", "\"step\": 3, \"time\": 1700000000.25")
        .replace("\"step\"", "\"never_asked_for\": 0.125, \"step\"");
    let output = Test::new("review -q --plain --html r.html train.log")
        .file(
            "train.log",
            format!("{log}{{\"step\": 4, \"loss\": }}\n{TRACEBACK}"),
        )
        .any_stdout()
        .run();
    let data = data(&file(&output, "r.html"));
    assert_eq!(data["kind"], "report");
    assert_eq!(data["made"], Value::Null);
    let run = &data["runs"][0];
    assert_eq!(
        (&run["project"], &run["run"]),
        (&"default".into(), &"train".into())
    );
    assert_eq!(
        (&run["first_step"], &run["last_step"]),
        (&1.into(), &3.into())
    );
    assert_eq!(run["rows"], 3);
    assert_eq!(run["last_activity"], "2023-11-14T22:13:20.25Z");
    assert_eq!(run["inputs"], serde_json::json!(["train.log"]));
    let loss = &run["series"]["loss"];
    assert_eq!(loss["steps"], serde_json::json!([1, 2, 3]));
    assert_eq!(loss["values"][2], "NaN");
    assert_eq!(
        loss["times"],
        serde_json::json!([null, null, 1_700_000_000.25])
    );
    assert_eq!(run["series"]["never_asked_for"]["values"][0], 0.125);
    let names = run["metrics_list"].as_array().unwrap().iter();
    let names: Vec<_> = names
        .map(|metric| metric["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["never_asked_for", "loss"]);
    let alerts = run["alerts_list"].as_array().unwrap();
    assert_eq!(alerts[0]["title"], "loss is NaN");
    for (at, alert) in alerts.iter().enumerate() {
        assert_eq!(alert["seq"], at);
        assert_eq!(alert["made"], Value::Null);
        assert_eq!(alert["acknowledged"], Value::Null);
    }
    let exception = &run["exceptions"][0];
    assert_eq!(exception["type"], "KeyError");
    assert_eq!(exception["traceback"], TRACEBACK.trim_end());
    assert_eq!(
        (&exception["input"], &exception["line"]),
        (&"train.log".into(), &5.into())
    );
    assert_eq!(data["skipped"][0]["malformed"], 1);
    assert_eq!(data["skipped"][0]["first_malformed"]["line"], 4);
    let detectors = data["detectors"].as_array().unwrap();
    let found = detectors.iter().find(|it| it["name"] == "non-finite");
    assert!(found.is_some_and(|it| !it["summary"].as_str().unwrap().is_empty()));
}

#[test]
fn a_page_needs_nothing_else() {
    let output = Test::new("review -q --plain --html r.html train.log")
        .file("train.log", NAN)
        .any_stdout()
        .run();
    let page = file(&output, "r.html");
    let (page, _) = page.split_once("<noscript>").unwrap();
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    assert!(!page.contains("src=") && !page.contains("rel=\"stylesheet\""));
}

#[test]
fn a_comment() {
    Test::new("review --markdown - train.log")
        .file("train.log", NAN)
        .stdout(
            "## runwatch: 1 alert in 1 run\n\n\
             - **default/train**: 3 records, steps 1 to 3: 1 critical\n\n\
             | severity | step | detector | alert |\n\
             |---|--:|---|---|\n\
             | **critical** | 3 | non-finite | loss is NaN |\n\n\
             ### What to do\n\n\
             - **loss is NaN** (step 3, train.log:3): \\`loss\\` is NaN at step 3; it was finite \
             before. *Stop the run: after an update with this loss the weights are NaN too. Go back \
             to the last checkpoint before step 3 (check that its weights are finite), skip the \
             batch of this step or lower the learning rate, and look for overflow (use bf16, or \
             loss scaling under fp16), log(0) or a division by zero.*\n",
        )
        .stderr(
            "runwatch: train.log: 3 records in 3 lines\n\
             runwatch: 1 alert: 1 critical\n",
        )
        .run();
    Test::new("review -q --markdown - train.log")
        .file("train.log", "{\"step\": 1, \"loss\": 2.5}\n")
        .stdout(
            "## runwatch: no alerts in 1 run\n\n\
             - **default/train**: 1 record, steps 1 to 1: no alerts\n",
        )
        .run();
}

#[test]
fn test_results() {
    let output = Test::new("review -q --junit - a.log b.log missing.log")
        .file("a.log", NAN)
        .file("b.log", "{\"step\": 1, \"loss\": 2.5}\n")
        .any_stdout()
        .stderr("error: cannot open `missing.log`: No such file or directory (os error 2)\n")
        .code(exit::INPUT)
        .run();
    let xml = output.text();
    assert!(
        xml.starts_with(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"runwatch\""
        )
    );
    for part in [
        "<testsuite name=\"default/a\" ",
        "<testsuite name=\"default/b\" ",
        "<testcase name=\"non-finite\" classname=\"default/a\" file=\"a.log\" line=\"3\">",
        "<failure message=\"loss is NaN\" type=\"critical\">critical: loss is NaN (step 3)\n",
        "<testcase name=\"non-finite\" classname=\"default/b\"/>",
        "<testcase name=\"missing.log\" classname=\"inputs\">",
        "failures=\"1\" errors=\"1\"",
    ] {
        assert!(xml.contains(part), "{part} is not in {xml}");
    }
}

#[test]
fn results_for_code_hosts() {
    let output = Test::new("review -q --sarif - logs")
        .file("logs/my train.log", NAN)
        .any_stdout()
        .run();
    let log: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "non-finite");
    assert_eq!(result["level"], "error");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "logs/my%20train.log");
    assert_eq!(place["region"]["startLine"], 3);
    let rule = result["ruleIndex"].as_u64().unwrap() as usize;
    let rule = &run["tool"]["driver"]["rules"][rule];
    assert_eq!(rule["id"], "non-finite");
    assert!(
        !rule["shortDescription"]["text"]
            .as_str()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_cannot_be_written_is_said_and_the_review_is_done() {
    let output = Test::new("review --plain --html missing/r.html --markdown r.md train.log")
        .file("train.log", NAN)
        .any_stdout()
        .any_stderr()
        .code(exit::DELIVERY)
        .run();
    assert!(output.text().starts_with("CRITICAL non-finite"));
    let error = "error: cannot write the report `missing/r.html`: No such file or directory";
    assert!(output.stderr.contains(error), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("\nhint: give --html a file in a folder that exists")
    );
    assert!(file(&output, "r.md").starts_with("## runwatch: 1 alert"));
}

#[test]
fn a_report_takes_the_place_of_an_older_one_and_leaves_nothing_behind() {
    let output = Test::new("review -q --plain --markdown r.md train.log")
        .file("train.log", NAN)
        .file("r.md", "an older one\n".repeat(1000))
        .any_stdout()
        .run();
    assert!(file(&output, "r.md").starts_with("## runwatch"));
    assert!(!file(&output, "r.md").contains("an older one"));
    let names = |folder: &Path| -> Vec<String> {
        let files = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(output.folder.path()), ["r.md", "train.log"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (flags, problem) in [
        (
            "--json --junit -",
            "--json and --junit both write to standard output",
        ),
        (
            "--html - --sarif -",
            "--html and --sarif both write to standard output",
        ),
        (
            "--html r --markdown r",
            "--html and --markdown both write to `r`",
        ),
    ] {
        Test::new("review train.log")
            .arguments(flags)
            .file("train.log", NAN)
            .stderr(format!(
                "error: {problem}\nhint: give each a file of its own\n"
            ))
            .code(exit::USAGE)
            .run();
    }
    let output = Test::new("review --html ./train.log train.log")
        .file("train.log", NAN)
        .stderr(
            "error: --html would overwrite the input `./train.log`\nhint: give it another file\n",
        )
        .code(exit::USAGE)
        .run();
    assert_eq!(file(&output, "train.log"), NAN);
}

#[test]
fn reports_change_no_exit_code() {
    for (flags, code) in [("", exit::OK), ("--fail-on critical", exit::ALERTS)] {
        Test::new("review -q --plain --junit r.xml train.log")
            .arguments(flags)
            .file("train.log", NAN)
            .any_stdout()
            .code(code)
            .run();
    }
}
