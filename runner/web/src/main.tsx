import { render } from "preact";
import { Dashboard } from "./dashboard";
import { Report } from "./report";
import { startTheme } from "./theme";
import { guardTexts } from "./visible";
import type { PageData } from "./types";
import "./css/app.css";

startTheme();
guardTexts();

const place = document.getElementById("app");
const data = JSON.parse(document.getElementById("runwatch-data")?.textContent ?? "null") as PageData | null;

if (place && data?.kind === "report") render(<Report data={data} />, place);
else if (place && data?.kind === "serve") render(<Dashboard data={data} />, place);
else if (place) place.textContent = "This page holds no data of runwatch. Write the report again, or reload the dashboard.";
