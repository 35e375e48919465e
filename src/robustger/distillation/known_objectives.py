"""The distillation objectives that a configuration can name."""

from __future__ import annotations

from robustger.distillation.ablations import ContrastiveDistillation, TeacherStudentDistillation
from robustger.distillation.distillation import Distillation, NoDistillation
from robustger.distillation.mutual_information import PaperDistillation, ReleasedDistillation
from robustger.registry import Registry

DISTILLATIONS: Registry[type[Distillation]] = Registry("distillation objective")
DISTILLATIONS.register("none")(NoDistillation)
DISTILLATIONS.register("paper")(PaperDistillation)
DISTILLATIONS.register("released")(ReleasedDistillation)
DISTILLATIONS.register("teacher_student")(TeacherStudentDistillation)
DISTILLATIONS.register("contrastive")(ContrastiveDistillation)
