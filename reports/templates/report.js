"use strict";
(function () {
  var form = document.querySelector(".filter"), search = document.getElementById("search"), order = document.getElementById("order");
  var boxes = Array.prototype.slice.call(form.querySelectorAll("input[type=checkbox]"));
  var rows = Array.prototype.slice.call(document.querySelectorAll(".f"));
  var texts = rows.map(function (row) {
    var link = row.querySelector("dl a"), first = link && document.getElementById(link.hash.slice(1));
    return (row.textContent + (first ? " " + first.querySelector("dl").textContent : "")).toLowerCase();
  });
  var assets = Array.prototype.slice.call(document.querySelectorAll("section.asset"));
  function apply() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0, on = {};
    boxes.forEach(function (box) { on[box.value] = box.checked; });
    rows.forEach(function (row, i) {
      var kind = row.className.split(" ")[1];
      var keep = on[kind] && words.every(function (word) { return texts[i].indexOf(word) >= 0; });
      row.classList.toggle("gone", !keep);
      if (keep) { shown += 1; }
    });
    assets.forEach(function (asset) { asset.classList.toggle("gone", !asset.querySelector(".f:not(.gone)") && words.length > 0); });
    document.getElementById("shown").textContent = shown + " of " + rows.length + " " + form.getAttribute("data-of");
  }
  function reach() {
    var id = decodeURIComponent(location.hash.slice(1)), place = id && document.getElementById(id), row = place && (place.closest(".f") || place);
    if (row && row.classList.contains("f")) {
      row.classList.remove("gone");
      if (row.tagName === "DETAILS") { row.open = true; }
      place.scrollIntoView();
    }
  }
  window.addEventListener("beforeprint", function () { rows.forEach(function (row) { if (row.className.split(" ")[1] === "fail") { row.open = true; } }); });
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  function arrange() {
    var by = order.value, sorted = rows.slice();
    if (by === "id") {
      sorted.sort(function (a, b) { return a.querySelector("code").textContent.localeCompare(b.querySelector("code").textContent, "en", { numeric: true }); });
    }
    sorted.forEach(function (row) { row.parentNode.appendChild(row); });
  }
  search.addEventListener("input", apply);
  order.addEventListener("change", arrange);
  boxes.forEach(function (box) { box.addEventListener("change", apply); });
  rows.forEach(function (row) { row.addEventListener("toggle", function () { if (row.open) { history.replaceState(null, "", "#" + row.id); } }); });
  window.addEventListener("hashchange", reach);
  apply();
  reach();
}());
