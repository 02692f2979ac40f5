"use strict";
(function () {
  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }
  function one(id) { return document.getElementById(id); }
  var form = document.querySelector(".filter"), search = one("search"), order = one("order"), weight = one("weight"), of = one("of");
  var boxes = Array.prototype.slice.call(form.querySelectorAll("input[type=checkbox]"));
  var rows = all(".f"), assets = all("section.asset"), parts = all("details.a"), weights = { critical: 4, high: 3, medium: 2 };
  var texts = rows.map(function (row) {
    var link = row.querySelector("dl a"), first = link && one(link.hash.slice(1));
    return (row.textContent + (first ? " " + first.querySelector("dl").textContent : "")).toLowerCase();
  });
  var heavy = rows.map(function (row) { var mark = row.querySelector("em"); return mark ? weights[mark.textContent] : 1; });
  function apply() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0, on = {}, least = Number(weight.value), at = of ? of.value : "";
    boxes.forEach(function (box) { on[box.value] = box.checked; });
    rows.forEach(function (row, i) {
      var kind = row.className.split(" ")[1];
      var keep = on[kind] && (!least || (kind === "fail" && heavy[i] >= least)) && (!at || row.parentNode.id === at);
      keep = keep && words.every(function (word) { return texts[i].indexOf(word) >= 0; });
      row.classList.toggle("gone", !keep);
      if (keep) { shown += 1; }
    });
    assets.forEach(function (asset) { asset.classList.toggle("gone", !asset.querySelector(".f:not(.gone)") && (words.length > 0 || least > 0 || at !== "")); });
    parts.forEach(function (part) {
      var text = part.querySelector("summary").textContent.toLowerCase();
      part.classList.toggle("gone", !words.every(function (word) { return text.indexOf(word) >= 0; }));
    });
    one("shown").textContent = shown + " of " + rows.length + " " + form.getAttribute("data-of");
  }
  function fill(part) {
    var list = document.createElement("ul");
    part.getAttribute("data-in").split(" ").filter(Boolean).forEach(function (number) {
      var row = rows[Number(number)], item = document.createElement("li"), link = document.createElement("a"), head = row.querySelector("summary").cloneNode(true);
      head.removeChild(head.querySelector("i"));
      link.href = "#" + row.id;
      link.textContent = head.textContent;
      item.appendChild(link);
      list.appendChild(item);
    });
    if (!part.querySelector("ul")) { part.appendChild(list); }
  }
  function reach() {
    var id = decodeURIComponent(location.hash.slice(1)), place = id && one(id), row = place && (place.closest(".f, .a, section.asset") || place);
    if (row && /\b[fa]\b|asset/.test(row.className)) {
      row.classList.remove("gone");
      if (row.closest("section.asset")) { row.closest("section.asset").classList.remove("gone"); }
      if (row.tagName === "DETAILS") { row.open = true; }
      place.scrollIntoView();
    }
  }
  function point(row) {
    if (!row.querySelector(".self")) {
      var link = document.createElement("a");
      link.className = "self";
      link.href = "#" + row.id;
      link.textContent = "Link to this";
      row.appendChild(link);
    }
  }
  window.addEventListener("beforeprint", function () { rows.forEach(function (row) { if (row.className.split(" ")[1] === "fail") { row.open = true; } }); });
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  function arrange() {
    var sorted = rows.slice();
    if (order.value === "id") {
      sorted.sort(function (a, b) { return a.querySelector("code").textContent.localeCompare(b.querySelector("code").textContent, "en", { numeric: true }); });
    }
    sorted.forEach(function (row) { row.parentNode.appendChild(row); });
  }
  search.addEventListener("input", apply);
  order.addEventListener("change", arrange);
  boxes.concat(weight, of || []).forEach(function (field) { field.addEventListener("change", apply); });
  rows.forEach(function (row) { row.addEventListener("toggle", function () { if (row.open) { point(row); history.replaceState(null, "", "#" + row.id); } }); });
  parts.forEach(function (part) { part.addEventListener("toggle", function () { if (part.open) { fill(part); } }); });
  window.addEventListener("hashchange", reach);
  apply();
  reach();
}());
