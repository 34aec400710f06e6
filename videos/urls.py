from django.contrib.auth import views as auth
from django.urls import path

from .views import account, doors, generation, live, studio, trash, uploads

urlpatterns = [
    path("", studio.studio, name="studio"),
    path("live/", live.live, name="live"),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("setup/", account.setup, name="setup"),
    path("generations/", studio.generations, name="generations"),
    path("generations/<uuid:uuid>/", generation.page, name="generation"),
    path("generations/<uuid:uuid>/extend/", studio.extend, name="extend"),
    path("generations/<uuid:uuid>/reuse/", studio.reuse, name="reuse"),
    path("generations/<uuid:uuid>/video", generation.video, name="video"),
    path("generations/<uuid:uuid>/thumbnail", generation.thumbnail, name="thumbnail"),
    path("generations/<uuid:uuid>/poster", generation.poster, name="poster"),
    path("generations/<uuid:uuid>/cancellation/", generation.cancellation, name="cancellation"),
    path("generations/<uuid:uuid>/dismissal/", generation.dismissal, name="dismissal"),
    path("generations/<uuid:uuid>/retries/", generation.retries, name="retries"),
    path("generations/<uuid:uuid>/trash/", generation.trash, name="move-to-trash"),
    path("generations/<uuid:uuid>/restoration/", generation.restoration, name="restoration"),
    path("generations/<uuid:uuid>/deletion/", generation.deletion, name="deletion"),
    path("trash/", trash.trash, name="trash"),
    path("uploads/<uuid:uuid>/", uploads.upload, name="upload"),
    path("callbacks/luma/<uuid:uuid>/<str:key>/", doors.callback, name="callback"),
    path("frames/<str:key>.jpg", doors.frame, name="frame"),
    path("clips/<str:key>.mp4", doors.clip, name="clip"),
    path("healthz", doors.healthz, name="healthz"),
    path("readyz", doors.readyz, name="readyz"),
    path("robots.txt", doors.robots, name="robots"),
]
