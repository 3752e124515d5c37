# client: ansible-core
# override: url
# Ansible's module uri parses a body as JSON only if Content-Type says that it is JSON.
set -eu
cat > book.yml <<EOF
- hosts: localhost
  gather_facts: false
  tasks:
    - uri: {url: "$IMDS_URL/metadata/instance?api-version=2020-09-01", headers: {Metadata: "true"}}
      register: instance
    - assert: {that: instance.json.compute.name == "linux-vm"}
    - uri: {url: "$IMDS_URL/metadata/instance?api-version=2020-09-01", status_code: 400}
EOF
LC_ALL=C.UTF-8 ansible-playbook -i localhost, -c local -e 'ansible_python_interpreter={{ ansible_playbook_python }}' book.yml
ansible --version | head -n 1
