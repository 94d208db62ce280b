// SPDX-License-Identifier: Apache-2.0

// Renders a Helm chart as Helm does: Go's text/template with Sprig and Helm's own functions. For tests where Helm is not at hand;
// no dependencies, hooks or cluster. `lookup` finds nothing.
//
//	render CHART <cases.json >results.json
//
// A case is {"name", "release", "namespace", "kubeVersion", "values"}, the values already merged with the chart's. A result is
// {"name", "files": {template: text}, "error"}. A field that does not exist is an empty value, as in Helm without --strict.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type testCase struct {
	Name, Release, Namespace, KubeVersion string
	Values                                map[string]interface{}
}

type result struct {
	Name  string            `json:"name"`
	Files map[string]string `json:"files"`
	Error string            `json:"error"`
}

type files struct{ root string }

func (f files) Get(name string) string {
	data, err := os.ReadFile(filepath.Join(f.root, name))
	if err != nil {
		return ""
	}
	return string(data)
}

func toYaml(value interface{}) string {
	data, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(data), "\n")
}

func functions(all *template.Template) template.FuncMap {
	table := sprig.TxtFuncMap()
	delete(table, "env")
	delete(table, "expandenv")
	table["toYaml"] = toYaml
	table["fromYaml"] = func(text string) map[string]interface{} {
		value := map[string]interface{}{}
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			value["Error"] = err.Error()
		}
		return value
	}
	table["include"] = func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	table["tpl"] = func(text string, data interface{}) (string, error) {
		clone, err := all.Clone()
		if err != nil {
			return "", err
		}
		parsed, err := clone.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = parsed.Execute(&out, data)
		return strings.ReplaceAll(out.String(), "<no value>", ""), err
	}
	table["required"] = func(message string, value interface{}) (interface{}, error) {
		if text, isText := value.(string); value == nil || isText && text == "" {
			return value, fmt.Errorf("%s", message)
		}
		return value, nil
	}
	table["lookup"] = func(string, string, string, string) map[string]interface{} { return map[string]interface{}{} }
	return table
}

func load(chart string) (*template.Template, []string, error) {
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(functions(all))
	var names []string
	root := filepath.Join(chart, "templates")
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(chart, path)
		if !strings.HasPrefix(filepath.Base(path), "_") {
			names = append(names, name)
		}
		_, err = all.New(name).Parse(string(text))
		return err
	})
	return all, names, err
}

func render(chart string, description map[string]interface{}, c testCase) (map[string]string, error) {
	all, names, err := load(chart)
	if err != nil {
		return nil, err
	}
	data := map[string]interface{}{
		"Chart": description,
		"Values": c.Values,
		"Files": files{chart},
		"Release": map[string]interface{}{"Name": c.Release, "Namespace": c.Namespace, "Service": "Helm", "IsInstall": true,
			"IsUpgrade": false, "Revision": 1},
		"Capabilities": map[string]interface{}{"KubeVersion": map[string]interface{}{"Version": c.KubeVersion}},
	}
	rendered := map[string]string{}
	for _, name := range names {
		data["Template"] = map[string]interface{}{"Name": name, "BasePath": "templates"}
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, name, data); err != nil {
			return nil, err
		}
		rendered[name] = strings.ReplaceAll(out.String(), "<no value>", "")
	}
	return rendered, nil
}

func run() error {
	chart := os.Args[1]
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	raw := map[string]interface{}{}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return err
	}
	description := map[string]interface{}{}
	for key, value := range raw { // .Chart.Name is `name:` of the file
		description[strings.ToUpper(key[:1])+key[1:]] = value
	}
	// Helm's numbers are float64 too: they come out of YAML by way of JSON.
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		return err
	}
	var results []result
	for _, c := range cases {
		rendered, err := render(chart, description, c)
		r := result{Name: c.Name, Files: rendered}
		if err != nil {
			r.Error = err.Error()
		}
		results = append(results, r)
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: render CHART <cases.json >results.json")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}
