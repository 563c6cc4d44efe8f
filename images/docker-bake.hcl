// Every image of a cluster: `docker buildx bake -f images/docker-bake.hcl` builds them all.
// The platform sets TAG (a hash of this directory and the software) and SOFTWARE.

variable "TAG" { default = "dev" }
variable "PREFIX" { default = "hpc-stack" }
variable "SOFTWARE" { default = "" }

group "default" {
  targets = ["slurmctld", "slurmdbd", "slurmrestd", "login", "slurmd", "configurator", "node-manager", "job-exporter"]
}

target "slurm" {
  context    = "images/slurm"
  dockerfile = "Dockerfile"
  args       = { SOFTWARE = SOFTWARE }
}

target "slurmctld" {
  inherits = ["slurm"]
  target   = "slurmctld"
  tags     = ["${PREFIX}/slurmctld:${TAG}"]
}

target "slurmdbd" {
  inherits = ["slurm"]
  target   = "slurmdbd"
  tags     = ["${PREFIX}/slurmdbd:${TAG}"]
}

target "slurmrestd" {
  inherits = ["slurm"]
  target   = "slurmrestd"
  tags     = ["${PREFIX}/slurmrestd:${TAG}"]
}

target "login" {
  inherits = ["slurm"]
  target   = "login"
  contexts = { examples = "examples", job-accounting = "images/job-accounting" }
  tags     = ["${PREFIX}/login:${TAG}"]
}

target "slurmd" {
  inherits = ["slurm"]
  target   = "slurmd"
  tags     = ["${PREFIX}/slurmd:${TAG}"]
}

target "slurm-client" {
  inherits = ["slurm"]
  target   = "slurm-client"
}

target "node-manager" {
  context    = "images/node-manager"
  dockerfile = "Dockerfile"
  target     = "node-manager"
  contexts   = { slurm-client = "target:slurm-client" }
  tags       = ["${PREFIX}/node-manager:${TAG}"]
}

// Not part of the group: only clusters on EC2 need it.
target "node-manager-ec2" {
  inherits = ["node-manager"]
  target   = "node-manager-ec2"
  tags     = ["${PREFIX}/node-manager-ec2:${TAG}"]
}

target "configurator" {
  context    = "images/configurator"
  dockerfile = "Dockerfile"
  contexts   = { slurm-client = "target:slurm-client" }
  tags       = ["${PREFIX}/configurator:${TAG}"]
}

target "job-exporter" {
  context    = "images/job-exporter"
  dockerfile = "Dockerfile"
  contexts   = { slurm-client = "target:slurm-client", job-accounting = "images/job-accounting" }
  tags       = ["${PREFIX}/job-exporter:${TAG}"]
}

// Not part of the group: only the controller's host on EC2 runs it.
target "host-agent" {
  context    = "images/host-agent"
  dockerfile = "Dockerfile"
  tags       = ["${PREFIX}/host-agent:${TAG}"]
}
